"""Rankers of responses: one class per kind, listed in `registry`."""
