"""Settings of data and pairs in a recipe, one file per subject.

They are frozen pydantic models; the text under a field is its help in all places. Settings of
models and their training are in `training.settings`.
"""
