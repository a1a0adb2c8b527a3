"""The orchestration: Dagster definitions that read tables, make one call down, and return metadata.

Column expressions, SQL text and tensors do not live here; see `transforms`, `sql` and `training`.
"""
