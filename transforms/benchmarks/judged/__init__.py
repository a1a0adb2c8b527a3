"""Benchmarks that a judge scores: AlpacaEval 2, MT-Bench, Arena-Hard. Items, verdicts, results.

Not here: asking a judge (`training`).
"""
