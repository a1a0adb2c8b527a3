"""Rows of tables for tests of checks, and a run of a check on them."""

import polars as pl
from polars.testing import assert_frame_equal

from transforms.lake.schemas import schema_of
from transforms.views.query import check, connect_frames


def table(name, *rows):
    """Build a table's rows; columns that a test does not name are null."""
    return pl.DataFrame(rows, schema=schema_of(name))


def turn(content):
    return [{"role": "assistant", "content": content}]


def generations(*keys, experiment="e", iteration=1):
    of_slice = {"experiment": experiment, "iteration": iteration, "sampler_policy": "current"}
    of_slice |= {"n": 1 + max(index for _, index in keys), "response": "yes"}
    return table("generations", *[
        of_slice | {"prompt_id": prompt, "response_index": index} for prompt, index in keys
    ])  # fmt: skip


def scores(*keys, reward=1.0, ranker_id="rm", ranking_id="r", **origin):
    extra = {"ranker": "reward_model", "ranker_id": ranker_id, "ranking_id": ranking_id, **origin}
    rows = generations(*keys).with_columns(
        **{name: pl.lit(value) for name, value in extra.items()},
        reward=pl.lit(reward, dtype=pl.Float64),
    )
    return rows.select(list(schema_of("scores")))


def checkpoint(asset, checkpoint_id, experiment="shared", day=1):
    made = {"asset": asset, "checkpoint_id": checkpoint_id, "experiment": experiment}
    return made | {"commit_version": day}


def splits(**prompts):
    return table("prompt_splits", *[{"prompt_id": p, "split": s} for p, s in prompts.items()])


def dpo_pair(**changes):
    pair = {
        "experiment": "e", "iteration": 1, "prompt_id": "p", "chosen": turn("a"),
        "rejected": turn("b"), "chosen_penalised_reward": 2.0, "rejected_penalised_reward": 0.5,
        "margin": 1.5,
    }  # fmt: skip
    return table("dpo_pairs", pair | changes)


def preference_pair(**changes):
    pair = {
        "source": "s", "pair_id": "x", "prompt_id": "p", "chosen": turn("a"),
        "rejected": turn("b"), "split": "train",
    }  # fmt: skip
    return table("preference_pairs", pair | changes)


def failures(name, **frames):
    """Run a check; of every slice of its failures, it returns the same rows."""
    with connect_frames(frames) as connection:
        found = check(connection, name, {})
        columns = [name for name in ("table", "experiment", "iteration") if name in found.columns]
        for slice_ in found.select(columns).unique().to_dicts() if columns else []:
            known = {column: value for column, value in slice_.items() if value is not None}
            expected = found.filter(**known) if known else found
            of_slice = check(connection, name, known)
            assert_frame_equal(of_slice, expected, check_row_order=False)
        return found
