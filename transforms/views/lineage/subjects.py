"""Subjects of a lineage: a checkpoint, a response, a DPO pair or a preference pair, found by id.

Not here: the ancestors of a subject (`transforms.views.lineage.outputs`). Forms of an id:

    checkpoint id, or at least its first 6 digits; or a name of a model, such as iterative/2
    pair_id of `preference_pairs`, or at least its first 6 digits
    experiment/iteration/prompt_id                    DPO pair; the prompt's first digits suffice
    experiment/iteration/prompt_id/3-5                DPO pair, if the prompt has several: response
                                                      3 chosen, 5 rejected
    experiment/iteration/prompt_id/response_index     response; the prompt's first digits suffice
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.formats import SHORTEST_ID
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.named_models import FORMS, find_model
from transforms.lake.schemas.table import SHARED
from transforms.views.lineage.outputs import Input, Lineage

HASH = re.compile(f"[0-9a-f]{{{SHORTEST_ID},}}")
"""Form of the beginning of an id."""


@dataclass(frozen=True)
class Subject:
    """A row or a model whose lineage is shown."""

    kind: str
    """`checkpoint`, `response`, `dpo_pair` or `preference_pair`."""
    name: str
    """Its full id."""
    facts: Mapping[str, Any]
    """Values of its row, by column."""
    inputs: tuple[Input, ...]
    """The output that contains it; for a checkpoint, the checkpoint itself."""


def find_subject(lake: Lake, lineage: Lineage, name: str) -> Subject:
    """Find the checkpoint, response or pair with an id.

    Raises:
        InputError: no subject has the id, or several ids begin with it.
    """
    parts = name.split("/")
    if HASH.fullmatch(name):
        return _find_by_hash(lake, lineage, name)
    if len(parts) < 3 or not parts[1].isdecimal():
        row = find_model(lake, name)
        return _describe_checkpoint(lake, row["asset"], row["checkpoint_id"])
    indices = parts[3].split("-") if len(parts) == 4 else []
    if len(parts) > 4 or len(indices) > 2 or not all(map(str.isdecimal, indices)):
        raise _unknown(name)
    slice_ = {"experiment": parts[0], "iteration": int(parts[1])}
    if len(indices) != 1:
        return _find_dpo_pair(lake, lineage, name, parts[2], tuple(map(int, indices)), slice_)
    return _find_response(lake, lineage, name, parts[2], int(parts[3]), slice_)


def _find_by_hash(lake: Lake, lineage: Lineage, name: str) -> Subject:
    """Find a checkpoint or a preference pair."""
    models = {
        output.output_id: output
        for output in reversed(lineage.models())  # the oldest output of an id wins
        if output.output_id.startswith(name)
    }
    known = lake.scan_or_empty("preference_pairs")
    pairs = known.filter(pl.col("pair_id").str.starts_with(name)).collect()
    _require_one(name, [*models, *pairs["pair_id"].unique()])
    if models:
        ((checkpoint_id, output),) = models.items()
        return _describe_checkpoint(lake, output.asset, checkpoint_id)
    facts = pairs.row(0, named=True)
    return Subject(
        "preference_pair",
        facts["pair_id"],
        facts,
        _find_output(lineage, "preference_pairs", SHARED),
    )


def _describe_checkpoint(lake: Lake, asset: str, checkpoint_id: str) -> Subject:
    row = lake.read("checkpoints", checkpoint_id=checkpoint_id, asset=asset).row(0, named=True)
    facts = {key: row[key] for key in ("asset", "experiment", "iteration", "kind", "path")}
    if row["environment"]:
        facts["environment"] = json.loads(row["environment"])
    # of a model that was given: its commit, its default system prompt and others
    facts |= (checkpoints.read_file(lake, row["path"], "settings.json") or {}).get("found", {})
    return Subject("checkpoint", checkpoint_id, facts, (Input("checkpoint", asset, checkpoint_id),))


def _find_response(
    lake: Lake, lineage: Lineage, name: str, prompt: str, index: int, slice_: Mapping[str, Any]
) -> Subject:
    """Find a response, with its scores."""
    rows = _read_prompt(lake, "generations", prompt, slice_).filter(response_index=index)
    _require_one(name, rows["prompt_id"].to_list())
    row = rows.row(0, named=True)
    scores = _read_prompt(lake, "scores", row["prompt_id"], slice_).filter(response_index=index)
    facts = row | {"scores": scores.select("ranker", "ranker_id", "reward").to_dicts()}
    whole = f"{slice_['experiment']}/{slice_['iteration']}/{row['prompt_id']}/{index}"
    return Subject("response", whole, facts, _find_slice(lineage, "generations", slice_))


def _find_dpo_pair(
    lake: Lake,
    lineage: Lineage,
    name: str,
    prompt: str,
    sides: tuple[int, ...],
    slice_: Mapping[str, Any],
) -> Subject:
    """Find a DPO pair, with the policies that sampled its responses and their ranker."""
    rows = _read_prompt(lake, "dpo_pairs", prompt, slice_)
    chosen, rejected = "chosen_response_index", "rejected_response_index"
    if sides:
        rows = rows.filter(pl.col(chosen) == sides[0], pl.col(rejected) == sides[1])
    ids = rows.select(pl.format("{}/{}-{}", "prompt_id", chosen, rejected)).to_series()
    _require_one(name, ids.to_list())
    row = rows.row(0, named=True)
    responses = _read_prompt(lake, "generations", row["prompt_id"], slice_)
    scores = _read_prompt(lake, "scores", row["prompt_id"], slice_)
    facts = row | {
        "policy_id": _find_common_value(responses, "policy_id"),
        "chosen_policy_id": _find_common_value(
            responses.filter(response_index=row[chosen]), "policy_id"
        ),
        "rejected_policy_id": _find_common_value(
            responses.filter(response_index=row[rejected]), "policy_id"
        ),
        "sampling_id": _find_common_value(responses, "sampling_id"),
        "ranker": _find_common_value(scores, "ranker"),
        "ranker_id": _find_common_value(scores, "ranker_id"),
        "responses": responses.height,
    }
    whole = f"{slice_['experiment']}/{slice_['iteration']}/{row['prompt_id']}"
    if sides:
        whole += f"/{row[chosen]}-{row[rejected]}"
    return Subject("dpo_pair", whole, facts, _find_slice(lineage, "dpo_pairs", slice_))


def _read_prompt(lake: Lake, table: str, prompt: str, slice_: Mapping[str, Any]) -> pl.DataFrame:
    """Read a slice's rows of the prompts whose id begins with `prompt`; none without a table."""
    rows = lake.scan_or_empty(table, **slice_)
    return rows.filter(pl.col("prompt_id").str.starts_with(prompt)).collect()


def _find_common_value(rows: pl.DataFrame, column: str) -> str | None:
    """Return the value that all rows share; None without rows or with several values."""
    values = rows[column].unique().to_list() if column in rows.columns else []
    return values[0] if len(values) == 1 else None


def _find_slice(lineage: Lineage, noun: str, slice_: Mapping[str, Any]) -> tuple[Input, ...]:
    """Find the output of a slice; outside the loop, its asset is `<experiment>/<noun>`."""
    experiment = str(slice_["experiment"])
    inside = _find_output(lineage, iteration_asset(slice_["iteration"], noun), experiment)
    return inside or _find_output(lineage, f"{experiment}/{noun}", SHARED)


def _find_output(lineage: Lineage, asset: str, experiment: str) -> tuple[Input, ...]:
    output = lineage.latest(asset, experiment)
    return () if output is None else (Input("part of", output.asset, output.output_id),)


def _require_one(name: str, found: Sequence[str]) -> None:
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        raise InputError(
            f"{name} is ambiguous",
            expected="the beginning of one id",
            found=f"{len(found)} ids that begin with it: {', '.join(sorted(found)[:4])}",
            remedy="type more of its characters",
        )


def _unknown(name: str) -> InputError:
    return InputError(
        f"nothing in the lake has the id {name}",
        expected=f"a checkpoint id or a pair_id (at least {SHORTEST_ID} digits of it), {FORMS}, "
        "experiment/iteration/prompt_id for a DPO pair, "
        "experiment/iteration/prompt_id/response_index for a response",
        found="no such id",
        remedy="list checkpoint ids: prefloop sql "
        '"select asset, experiment, checkpoint_id from checkpoints"',
    )
