"""The orchestration: Dagster assets that read tables, call one function below, return metadata.

Column expressions, SQL text and tensors are elsewhere: in `transforms`, `sql` and `training`.
"""
