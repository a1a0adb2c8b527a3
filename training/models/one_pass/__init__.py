"""One forward pass over rows that begin with the same tokens, which are computed once.

The model's layers read one packed row without padding (`packed_rows`, `attention`, `backbone`).
`families` lists the models that are tested, `forward` has the forward pass of a training. Not here:
losses (TRL), rows (the stages), passes without gradients (`training.models.logps`, `rewards`).
"""
