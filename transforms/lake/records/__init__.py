"""Tables about runs: checkpoints, materializations, costs, promotions, reference log-probs."""
