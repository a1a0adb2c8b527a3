"""Delta tables: schemas, reading and committing, queries, the records that stages keep.

Not here: what a row means to the method (the other packages of `transforms`).
"""
