"""Benchmarks of models: where their data is, the answers to their items, what these add up to.

Not here: asking a model (`training.benchmarks`).
"""
