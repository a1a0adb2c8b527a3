"""Benchmarks with a right answer per item, scored by lm-evaluation-harness (paper, Table 5)."""
