"""What a lineage is asked for: a checkpoint, a response, a DPO pair or a preference pair.

Lives here: finding it by the id that a person types, and what its row says. Not here: what it
descends from (`transforms.views.lineage.outputs`).

    checkpoint id, or the first 6 of its digits or more
    pair_id of `preference_pairs`, or the first 6 of its digits or more
    experiment/iteration/prompt_id                    DPO pair; the prompt's first digits are enough
    experiment/iteration/prompt_id/3-5                DPO pair, of several of the prompt: response 3
                                                      chosen, 5 rejected
    experiment/iteration/prompt_id/response_index     response; the same
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.formats import SHORTEST_ID
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.views.lineage.outputs import Input, Lineage


@dataclass(frozen=True)
class Subject:
    """What a lineage is asked for."""

    kind: str
    """`checkpoint`, `response`, `dpo_pair` or `preference_pair`."""
    name: str
    """Its whole id."""
    facts: Mapping[str, Any]
    """What its row says, by column or by part."""
    inputs: tuple[Input, ...]
    """What it is a part of, or, for a checkpoint, the checkpoint."""


def find_subject(lake: Lake, lineage: Lineage, name: str) -> Subject:
    """Find what an id names.

    Raises:
        InputError: nothing has the id, or several things begin with it.
    """
    parts = name.split("/")
    if len(parts) == 1:
        return _by_hash(lake, lineage, name)
    indices = parts[3].split("-") if len(parts) == 4 else []
    numbers = (parts[1], *indices)
    if len(parts) not in (3, 4) or len(indices) > 2 or not all(map(str.isdecimal, numbers)):
        raise _unknown(name)
    slice_ = {"experiment": parts[0], "iteration": int(parts[1])}
    if len(indices) != 1:
        return _dpo_pair(lake, lineage, name, parts[2], tuple(map(int, indices)), slice_)
    return _response(lake, lineage, name, parts[2], int(parts[3]), slice_)


def _by_hash(lake: Lake, lineage: Lineage, name: str) -> Subject:
    """Find a checkpoint or a preference pair."""
    if len(name) < SHORTEST_ID:
        raise _unknown(name)
    models = {
        output.output_id: output
        for output in reversed(lineage.models())  # the first that made it stays
        if output.output_id.startswith(name)
    }
    pairs = (
        lake.scan("preference_pairs").filter(pl.col("pair_id").str.starts_with(name)).collect()
        if lake.exists("preference_pairs")
        else pl.DataFrame(schema={"pair_id": pl.String})
    )
    _require_one(name, [*models, *pairs["pair_id"].unique()])
    if models:
        ((checkpoint_id, output),) = models.items()
        row = lake.read("checkpoints", checkpoint_id=checkpoint_id, asset=output.asset).row(
            0, named=True
        )
        facts = {key: row[key] for key in ("asset", "experiment", "iteration", "kind", "path")}
        return Subject(
            "checkpoint",
            checkpoint_id,
            facts,
            (Input("checkpoint", output.asset, output.output_id),),
        )
    facts = pairs.row(0, named=True)
    return Subject(
        "preference_pair", facts["pair_id"], facts, _made_by(lineage, "preference_pairs", SHARED)
    )


def _response(
    lake: Lake, lineage: Lineage, name: str, prompt: str, index: int, slice_: Mapping[str, Any]
) -> Subject:
    """Find a response, with its scores."""
    rows = _of_prompt(lake, "generations", prompt, slice_).filter(response_index=index)
    _require_one(name, rows["prompt_id"].to_list())
    row = rows.row(0, named=True)
    scores = _of_prompt(lake, "scores", row["prompt_id"], slice_).filter(response_index=index)
    facts = row | {"scores": scores.select("ranker", "ranker_id", "reward").to_dicts()}
    whole = f"{slice_['experiment']}/{slice_['iteration']}/{row['prompt_id']}/{index}"
    return Subject("response", whole, facts, _in_loop(lineage, "generations", slice_))


def _dpo_pair(
    lake: Lake,
    lineage: Lineage,
    name: str,
    prompt: str,
    sides: tuple[int, ...],
    slice_: Mapping[str, Any],
) -> Subject:
    """Find a DPO pair, with the policies that wrote its responses and what ranked them."""
    rows = _of_prompt(lake, "dpo_pairs", prompt, slice_)
    chosen, rejected = "chosen_response_index", "rejected_response_index"
    if sides:
        rows = rows.filter(**dict(zip((chosen, rejected), sides, strict=True)))
    named = rows.select(pl.format("{}/{}-{}", "prompt_id", chosen, rejected)).to_series()
    _require_one(name, named.to_list())
    row = rows.row(0, named=True)
    responses = _of_prompt(lake, "generations", row["prompt_id"], slice_)
    scores = _of_prompt(lake, "scores", row["prompt_id"], slice_)
    facts = row | {
        "policy_id": _only(responses, "policy_id"),
        "chosen_policy_id": _only(responses.filter(response_index=row[chosen]), "policy_id"),
        "rejected_policy_id": _only(responses.filter(response_index=row[rejected]), "policy_id"),
        "sampling_id": _only(responses, "sampling_id"),
        "ranker": _only(scores, "ranker"),
        "ranker_id": _only(scores, "ranker_id"),
        "responses": responses.height,
    }
    whole = f"{slice_['experiment']}/{slice_['iteration']}/{row['prompt_id']}"
    if sides:
        whole += f"/{row[chosen]}-{row[rejected]}"
    return Subject("dpo_pair", whole, facts, _in_loop(lineage, "dpo_pairs", slice_))


def _of_prompt(lake: Lake, table: str, prompt: str, slice_: Mapping[str, Any]) -> pl.DataFrame:
    """Read a slice's rows of the prompts that begin so; none where there is no such table."""
    if not lake.exists(table):
        return pl.DataFrame(schema=schema_of(table))
    rows = lake.scan(table, **slice_).filter(pl.col("prompt_id").str.starts_with(prompt))
    return rows.collect()


def _only(rows: pl.DataFrame, column: str) -> str | None:
    """Value that all rows of a prompt share; null where they were removed or differ since."""
    values = rows[column].unique() if column in rows.columns else ()
    return values[0] if len(values) == 1 else None


def _in_loop(lineage: Lineage, noun: str, slice_: Mapping[str, Any]) -> tuple[Input, ...]:
    """Find the asset that wrote a slice; a chain outside the loop names its slice itself."""
    experiment = str(slice_["experiment"])
    inside = _made_by(lineage, iteration_asset(slice_["iteration"], noun), experiment)
    return inside or _made_by(lineage, f"{experiment}/{noun}", SHARED)


def _made_by(lineage: Lineage, asset: str, experiment: str) -> tuple[Input, ...]:
    output = lineage.latest(asset, experiment)
    return () if output is None else (Input("part of", output.asset, output.output_id),)


def _require_one(name: str, found: Sequence[str]) -> None:
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        raise InputError(
            f"{name} is ambiguous",
            expected="the beginning of one id",
            found=f"{len(found)} that begin so: {', '.join(sorted(found)[:4])}",
            remedy="type more of it",
        )


def _unknown(name: str) -> InputError:
    return InputError(
        f"nothing in the lake is called {name}",
        expected=f"a checkpoint id or a pair_id (at least {SHORTEST_ID} digits of it), "
        "experiment/iteration/prompt_id for a DPO pair, "
        "experiment/iteration/prompt_id/response_index for a response",
        found="no such id",
        remedy='for ids: prefloop sql "select asset, experiment, checkpoint_id from checkpoints"',
    )
