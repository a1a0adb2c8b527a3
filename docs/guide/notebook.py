"""A notebook on a study: open it in VS Code or Jupyter (jupytext), or run it with Python.

It reads `dagster_home/quickstart`; PREFLOOP_HOME names another study.
"""

# %% [markdown]
# A study's tables, reports and models in Python. Everything is read-only.

# %%
import os

import polars as pl

import prefloop

study = prefloop.open(os.environ.get("PREFLOOP_HOME", "dagster_home/quickstart"))
print(study.tables().filter(kind="table").sort("rows", descending=True).head())

# %% [markdown]
# SQL over all tables, views and reports returns a polars frame.

# %%
rewards = study.sql(
    """
    select experiment, iteration, avg(reward) as reward, avg(response_chars) as response_chars
    from scores join generations using (experiment, iteration, prompt_id, response_index)
    group by all order by all
    """
)
print(rewards)

# %% [markdown]
# A table or a slice of it. Every version stays readable.

# %%
pairs = study.table("dpo_pairs", experiment="iterative", iteration=1)
first = study.table("scores", version=0)
print(pairs.select("chosen_reward", "rejected_reward", "margin").describe())
print(first.height, "rows in version 0 of scores")

# %%
print(study.report("iteration_progress"))

# %% [markdown]
# The folder of a policy is an ordinary model folder for transformers and vLLM:
# `AutoModelForCausalLM.from_pretrained(study.policy("latest"))`

# %%
print(study.policy("sft_policy"))
print(pairs.sort("margin").select(pl.col("chosen").list.first().struct.field("content")).tail(1))
