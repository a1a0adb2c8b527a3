"""The plan of a recipe before it runs: work, time, memory and disk, each number with its origin."""
