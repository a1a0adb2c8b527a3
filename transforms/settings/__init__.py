"""Settings of the tables, one file per subject: what a recipe may say about data and pairs.

Frozen pydantic models; the text under a field is its help everywhere. Settings of models and of
their training are in `training.settings`.
"""
