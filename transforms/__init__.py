"""Pure tables: polars and pyarrow functions, and the Delta lake that stores the tables.

Nothing here imports Dagster or torch, so every rule is tested in milliseconds on a small frame.
"""
