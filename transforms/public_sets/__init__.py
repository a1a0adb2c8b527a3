"""Public benchmarks and evaluation sets: one value per set, listed in `registry`.

Not here: locating and reading their files (`transforms.sources.files.set_files`), measuring a
model.
"""
