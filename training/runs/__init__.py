"""Training runs: trainer, launcher, step and kept checkpoints, run record, environment, processes.

Not here: losses and rows (the stages in `training`), model folders (`training.models.checkpoint`).
"""
