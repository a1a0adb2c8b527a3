"""Forward passes and their inputs: rendering, tokens, batches, log-probabilities, rewards.

Not here: optimisation (the stages, `training.runs`), sampling (`training.engine`).
"""
