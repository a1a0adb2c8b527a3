"""Columns that tables share, and the values that the shared keys may have.

Not here: the tables' own columns (the other files of this package).
"""

import polars as pl

from transforms.lake.schemas.table import Column

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: turns in order, roles `system`, `user`, `assistant`."""

SHARED = "shared"
"""`experiment` of everything that all experiments have in common."""

LOOP_SLICE = {
    "experiment": Column(pl.String, "name of the experiment; `shared`: of all"),
    "iteration": Column(pl.Int32, "number of the iteration; 0: outside the loop"),
}
"""The slice of a loop table. Models outside the loop are experiment `shared`, iteration 0."""

PROMPT_ID = Column(pl.String, "hash of the prompt's messages")
RESPONSE_INDEX = Column(pl.Int32, "response to the prompt, 0 … n−1")
POLICY_ID = Column(pl.String, "checkpoint of the policy")
STANDARD_ERROR = Column(pl.Float64, "clustered by prompt", "as value")
LOW = Column(pl.Float64, "lower end of the 95% interval", "as value")
HIGH = Column(pl.Float64, "upper end of the 95% interval", "as value")
PROMPTS = Column(pl.Int64, "prompts that the value is a mean over")
CREATED_AT = Column(pl.Datetime("us", "UTC"), "when the row was written")
