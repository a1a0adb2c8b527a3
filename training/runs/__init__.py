"""Training runs: the trainer, launching, step checkpoints, kept checkpoints, the record, processes.

Not here: losses and rows (the stages, one folder up), model folders (`training.models.checkpoint`).
"""
