"""Upkeep of a lake between runs: small files, old versions, old models, leftovers of runs."""
