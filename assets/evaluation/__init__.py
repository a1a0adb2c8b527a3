"""Assets that measure: held-out prompts, benchmarks, rankers, which policy is the current one."""
