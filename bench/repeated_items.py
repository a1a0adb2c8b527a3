"""How a quickstart's ranker orders responses that name an item twice, before each iteration trains.

Of each iteration's responses it takes those that would be perfect if no item were named twice
(`- pear - pear`, to which the gold reward gives 0.25 or up to 0.33 less). Pairs of a response with
and one without a repeated item, of the same prompt and so with as many words, are ordered by their
rewards. A tie counts one half; standard errors are clustered by prompt.

The last line is JSON.

    python -m bench.repeated_items dagster_home/quickstart
"""

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from assets.home import open_lake
from transforms.lake.lake import Lake
from transforms.measures.reward_accuracy import measure_pair_accuracy
from transforms.sources.sample.gold import read_prompt, render

SLICE = ("experiment", "iteration")


def find_repeats(prompt: str, response: str) -> bool | None:
    """Return whether a response repeats an item; None if it has another fault, too.

    Args:
        prompt: content of the last user turn, a prompt of the sample task.
        response: the assistant's text.
    """
    request, words = read_prompt(prompt), response.split()
    items = [word for word in words if word in request.right]
    if len(items) != request.count or words != render(items, request.format):
        return None
    return len(set(items)) < len(items)


def pair_responses(rows: pl.DataFrame) -> pl.DataFrame:
    """Pair each response without a repeated item with each one with a repeated item.

    Args:
        rows: experiment, iteration, prompt_id, reward, repeats.

    Returns:
        experiment, iteration, prompt_id, chosen_reward (without), rejected_reward (with).
    """
    keys = [*SLICE, "prompt_id"]
    without = rows.filter(~pl.col("repeats")).select(*keys, chosen_reward="reward")
    repeated = rows.filter("repeats").select(*keys, rejected_reward="reward")
    return without.join(repeated, on=keys)


def read_responses(lake: Lake) -> pl.DataFrame:
    """Read the scored responses: experiment, iteration, prompt_id, reward, repeats."""
    keys = [*SLICE, "prompt_id", "response_index", "policy_id"]
    rows = (
        lake.read("generations")
        .select(*keys, "response")
        .join(lake.read("scores").select(*keys, "reward"), on=keys)
        .join(lake.read("prompts").select("prompt_id", "prompt"), on="prompt_id")
    )
    texts = (turns[-1]["content"] for turns in rows["prompt"].to_list())
    repeats = [find_repeats(*both) for both in zip(texts, rows["response"], strict=True)]
    return rows.with_columns(repeats=pl.Series(repeats, dtype=pl.Boolean))


def main(
    home: Annotated[Path, typer.Argument(help="Home of a study of the sample task.")],
) -> None:
    """Print a row per experiment and iteration."""
    found = []
    pairs = pair_responses(read_responses(open_lake(home)))
    for (experiment, iteration), part in pairs.group_by(*SLICE, maintain_order=True):
        share, error, number = measure_pair_accuracy(part)
        found.append(
            {"experiment": experiment, "iteration": iteration, "pairs": number}
            | {"without_preferred": round(share, 3), "se": round(error, 3)}
        )
    table = pl.DataFrame(found).sort(*SLICE)
    with pl.Config(tbl_rows=-1, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True):
        print(table)
    print(json.dumps({"bench": "repeated_items", "rows": table.to_dicts()}))


if __name__ == "__main__":
    typer.run(main)
