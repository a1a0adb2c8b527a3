"""Benchmarks: requests to models and judges, scores of the answers.

Not here: the tables of answers, verdicts and results (`transforms.benchmarks`).
"""
