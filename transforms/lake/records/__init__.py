"""Tables about runs: checkpoints, materializations, costs, metrics, promotions."""
