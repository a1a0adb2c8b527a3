"""How a training runs: trainer, launch, checkpoints, step checkpoints, its record, processes.

Not here: what is trained (the stages beside this folder).
"""
