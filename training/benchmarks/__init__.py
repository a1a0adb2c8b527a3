"""Benchmarks: what a model is asked, how its answers are scored.

Not here: the tables of answers and results (`transforms.benchmarks`).
"""
