# %% [markdown]
# # A study in a notebook
#
# A study's tables, reports and models in Python. Everything is read-only, and every frame is a
# polars frame; `.to_pandas()` makes one of pandas. This page reads `dagster_home/quickstart`, or
# the study that the environment variable `PREFLOOP_HOME` names.

# %%
import os

import matplotlib.pyplot as plt
import polars as pl

import prefloop

pl.Config.set_fmt_str_lengths(200)  # texts are shown whole, up to 200 characters
study = prefloop.open(os.environ.get("PREFLOOP_HOME", "dagster_home/quickstart"))
study.tables().filter(kind="table").sort("rows", descending=True).head()

# %% [markdown]
# **Do not read the parquet files below `lake/tables` yourself.** The files of replaced slices stay
# there for old versions, so a pattern such as `tables/scores/**/*.parquet` also reads rows that
# were replaced. `study.table` reads one version; so does
# `pl.read_delta("dagster_home/quickstart/lake/tables/scores")`.

# %%
newest, first = study.table("scores"), study.table("scores", version=0)
print(newest.height, "rows of scores;", first.height, "rows in version 0")

# %% [markdown]
# ## SQL
#
# One query reads all tables, views and reports, of all experiments and iterations.

# %%
study.sql(
    """
    select experiment, iteration, avg(reward) as reward, avg(response_chars) as response_chars
    from scores join generations using (experiment, iteration, prompt_id, response_index)
    group by all order by all
    """
)

# %% [markdown]
# ## Reports
#
# The rows of `prefloop report NAME`; here the policies on the evaluation prompts.

# %%
progress = study.report("iteration_progress").filter(decoding="sampled")
progress.select("experiment", "model", "reward", "reward_se", "response_chars").head(8)

# %%
figure, axis = plt.subplots(figsize=(6, 3))
for (experiment,), rows in progress.group_by("experiment", maintain_order=True):
    trained = rows.filter(pl.col("model").str.starts_with("iteration_"))
    axis.errorbar(
        trained["model"].to_list(),
        trained["reward"].to_list(),
        trained["reward_se"].to_list(),
        label=experiment,
        marker="o",
        capsize=3,
    )
axis.set(ylabel="reward on the evaluation prompts")
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## Pairs
#
# The pair with the largest margin of an iteration: what the policy was trained to prefer.

# %%
pairs = study.table("dpo_pairs", experiment="iterative", iteration=1)
best = pairs.sort("margin").tail(1).to_dicts()[0]
print(
    *(turn["content"] for side in ("prompt", "chosen", "rejected") for turn in best[side]), sep="\n"
)

# %% [markdown]
# ## Models
#
# A policy is an ordinary model folder, for
# `AutoModelForCausalLM.from_pretrained(study.policy("latest"))` and for vLLM.

# %%
sorted(file.name for file in study.policy("sft_policy").iterdir())
