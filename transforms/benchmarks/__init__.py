"""Benchmarks of models: their items, the tables of answers, verdicts and results.

Not here: sending requests to a model (`training.benchmarks`).
"""
