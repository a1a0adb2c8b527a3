"""Benchmarks with a judge (AlpacaEval 2, MT-Bench, Arena-Hard): items, verdicts, results.

Not here: sending requests to a judge (`training`).
"""
