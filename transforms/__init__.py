"""Pure tables: polars and pyarrow functions, and the Delta lake they are kept in.

Knows neither Dagster nor torch, so that every rule is tested in milliseconds on a literal frame.
"""
