"""Pairs and responses of the loop in the formats of other trainers and of Argilla.

Each format is two functions, from a row to a JSON object. Sources:

    trl            conversational preference and prompt-completion types (TRL 1.16, Dataset formats)
    openrlhf       --data.chosen_key chosen --data.rejected_key rejected, or --data.input_key input
                   --data.output_key output, with --data.apply_chat_template (OpenRLHF 0.11,
                   openrlhf/datasets)
    llama_factory  sharegpt, pairs with ranking (LLaMA-Factory, data/README.md);
                   docs/guide/export.md has the entries of dataset_info.json
    argilla        records of its SDK 2.8, as `dataset.records.from_json` reads them

Not here: label files for people (`transforms.pairs.feedback.people`), models (`training.export`).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.slices import parse_reference, read_prompts, read_slice

Row = Mapping[str, Any]
Build = Callable[[Row], dict[str, Any]]

FACTS = ("experiment", "iteration", "prompt_id")
SPEAKERS = {"user": "human", "assistant": "gpt"}
"""Names of the roles in LLaMA-Factory's sharegpt format."""


class Format(NamedTuple):
    """One format: how a pair and how a response is written."""

    pair: Build
    response: Build
    is_array: bool = False
    """Whether the file is one JSON array; else one JSON object per line."""


def read_rows(lake: Lake, name: str, kind: str) -> pl.DataFrame:
    """Read the pairs or responses of a slice.

    Args:
        lake: the lake.
        name: EXPERIMENT, EXPERIMENT/ITERATION, or either with @TIME.
        kind: `pairs`; or `responses`, one row per response and ranker with prompt and reward.

    Raises:
        InputError: there are none, or the prompt of a response is no longer in the lake.
    """
    reference = parse_reference(name)
    found = read_slice(lake, reference)
    if kind == "pairs":
        rows = found.pairs
    else:
        key = [*FACTS, "response_index"]
        scores = found.scores.select(*key, "ranker", "reward")
        rows = found.generations.join(scores, on=key, how="left", maintain_order="left_right").join(
            read_prompts(lake, reference), on="prompt_id", how="left", maintain_order="left"
        )
        _require_prompts(name, rows)
    if rows.is_empty():
        raise InputError(
            f"{name} has no {kind}",
            expected=f"an experiment and an iteration with {kind}",
            found="none",
            remedy='prefloop sql "select distinct experiment, iteration from dpo_pairs"',
        )
    return rows


def _require_prompts(name: str, rows: pl.DataFrame) -> None:
    """Refuse responses without a prompt, which would be lost in the export."""
    lost = rows.filter(pl.col("prompt").is_null())
    if lost.height:
        raise InputError(
            f"{name} cannot be exported",
            expected="the prompt of every response in the table prompts",
            found=f"no prompt {lost['prompt_id'][0]}, and {lost.height} responses without a prompt",
            remedy="name the slice at a time at which it had its prompts, as in e/1@2026-11-21",
        )


def format_rows(rows: pl.DataFrame, kind: str, form: str) -> Iterator[str]:
    """Yield the text of a file: pieces that end with a line break.

    Args:
        rows: from `read_rows`.
        kind: `pairs` or `responses`.
        form: a key of `FORMATS`.
    """
    chosen = FORMATS[form]
    build = chosen.pair if kind == "pairs" else chosen.response
    objects = (
        json.dumps(build(row), ensure_ascii=False, allow_nan=False)
        for row in rows.iter_rows(named=True)
    )
    if not chosen.is_array:
        yield from (f"{one}\n" for one in objects)
        return
    for number, one in enumerate(objects):
        yield ("[\n" if number == 0 else ",\n") + one
    yield "\n]\n"


def _trl_pair(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("prompt", "chosen", "rejected")}


def _trl_response(row: Row) -> dict[str, Any]:
    return {"prompt": row["prompt"], "completion": _turn(row), "reward": row["reward"]}


def _openrlhf_pair(row: Row) -> dict[str, Any]:
    return {side: [*row["prompt"], *row[side]] for side in ("chosen", "rejected")}


def _openrlhf_response(row: Row) -> dict[str, Any]:
    return {"input": row["prompt"], "output": _turn(row), "reward": row["reward"]}


def _llama_factory_pair(row: Row) -> dict[str, Any]:
    sides = {side: _name_speakers(row[side])[0] for side in ("chosen", "rejected")}
    return {**_split_system(row["prompt"]), **sides}


def _llama_factory_response(row: Row) -> dict[str, Any]:
    return {**_split_system([*row["prompt"], *_turn(row)]), "reward": row["reward"]}


def _argilla_pair(row: Row) -> dict[str, Any]:
    sides = {side: row[side][0]["content"] for side in ("chosen", "rejected")}
    name = f"{row['chosen_response_index']}-{row['rejected_response_index']}"
    facts = ("margin", "chosen_reward", "rejected_reward")
    return _record(row, name, {"prompt": row["prompt"], **sides}, facts)


def _argilla_response(row: Row) -> dict[str, Any]:
    fields = {"prompt": row["prompt"], "response": row["response"]}
    return _record(row, f"{row['response_index']}-{row['ranker']}", fields, ("reward",))


def _record(row: Row, name: str, fields: dict[str, Any], facts: tuple[str, ...]) -> dict[str, Any]:
    """Return a record of Argilla; metadata without a value is left out, as Argilla demands."""
    known = {fact: row[fact] for fact in (*FACTS, *facts) if row[fact] is not None}
    return {
        "id": "/".join([*(str(row[fact]) for fact in FACTS), name]),
        "fields": fields,
        "metadata": known,
        "suggestions": {},
        "responses": {},
        "vectors": {},
        "status": "pending",
        "_server_id": None,
    }


def _turn(row: Row) -> list[dict[str, str]]:
    """Return a response as the assistant's turn."""
    return [{"role": "assistant", "content": row["response"]}]


def _split_system(turns: list[dict[str, str]]) -> dict[str, Any]:
    """Return a conversation in sharegpt's form; its system turn is a column of its own."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    rest = [turn for turn in turns if turn["role"] != "system"]
    return {"system": "\n".join(system), "conversations": _name_speakers(rest)}


def _name_speakers(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"from": SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]


FORMATS: Mapping[str, Format] = {
    "trl": Format(_trl_pair, _trl_response),
    "openrlhf": Format(_openrlhf_pair, _openrlhf_response),
    "llama_factory": Format(_llama_factory_pair, _llama_factory_response),
    "argilla": Format(_argilla_pair, _argilla_response, is_array=True),
}
"""Formats by name."""
