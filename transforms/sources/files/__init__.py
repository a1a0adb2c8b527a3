"""Files that others made, read in blocks; one clear error where a file is torn.

Not here: which columns a dataset has (`transforms.sources.catalog`), tables (`transforms.lake`).
"""
