"""Assets of evaluation: held-out prompts, benchmarks, accuracy of rankers, the current policy."""
