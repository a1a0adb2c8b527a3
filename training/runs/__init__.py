"""Training runs: trainer, launcher, step checkpoints, kept checkpoints, run record, processes.

Not here: losses and rows (the stages in `training`), model folders (`training.models.checkpoint`).
"""
