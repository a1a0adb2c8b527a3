"""Health of an iteration: statistics, and those that have a bound."""
