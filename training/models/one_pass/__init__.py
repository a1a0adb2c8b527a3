"""One forward pass over rows that begin with the same tokens, which are computed once.

The model's layers read one packed row without padding. `packed_rows` has the packing, `attention`
what a token sees, `families` the models that are tested, `forward` the model's forward pass. Not
here: losses (TRL) and rows (the stages).
"""
