"""Readers of source files, block by block, with one clear error for a damaged file.

Not here: the columns of a dataset (`transforms.sources.catalog`), tables (`transforms.lake`).
"""
