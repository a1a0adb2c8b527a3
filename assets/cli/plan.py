"""The printed plan of a recipe: tables in units for people, and the lines below them.

Not here: the numbers (`training.planning`), measured rates
(`transforms.lake.records.predicted_costs`).
"""

import polars as pl

from assets.cli.console import print_table
from training.planning.summary import Totals
from transforms.formats import format_digits, format_quantity
from transforms.lake.asset_names import shared_noun

HOUR_S = 3600
GB = 1e9
WORDS = ("experiment", "stage", "from", "time from", "memory per GPU, GB", "fits")
"""Columns of words; the others are numbers."""
MEMORY = ("weights", "optimiser", "gradients", "activations", "cache", "reserved")


def show_work(sums: pl.DataFrame, price: float | None, rented: int) -> pl.DataFrame:
    """Return sums of work as texts.

    Args:
        sums: from `training.planning.summary.sum_work`.
        price: money per GPU-hour; None prints none.
        rented: GPUs that are paid for in every hour.
    """
    timed = sums["elapsed_s"].count() > 0
    unit, seconds = _choose_time(max(sums["elapsed_s"].fill_null(0)))
    size, disk_bytes = ("GB", GB) if max(sums["bytes"]) >= GB else ("MB", 1e6)
    columns: dict[str, list[str]] = {
        sums.columns[0]: sums[sums.columns[0]].to_list(),
        "runs": list(map(str, sums["runs"])),
        "tokens": list(map(format_quantity, sums["tokens"])),
        "at most": list(map(format_quantity, sums["most_tokens"])),
        "from": [text or "" for text in sums["origin"]],
    }
    if timed:
        columns["GPUs"] = [str(gpus) if gpus else "" for gpus in sums["gpus"]]
        columns[unit] = _scale(sums["elapsed_s"], seconds)
        if rented:
            columns["GPU-hours"] = _scale(sums["gpu_s"], HOUR_S)
        columns["time from"] = [text or "" for text in sums["time_origin"]]
    columns[f"disk {size}"] = _scale(sums["bytes"], disk_bytes)
    if price is not None and timed:
        hourly = price * rented / HOUR_S
        columns["cost"] = [
            "" if s is None else format_digits(s * hourly) for s in sums["elapsed_s"]
        ]
    return pl.DataFrame(columns)


def show_memory(memory: pl.DataFrame) -> pl.DataFrame:
    """Return the memory of each stage in GB, as texts (`summary.tabulate_memory`)."""
    columns = {
        "memory per GPU, GB": memory["stage"].to_list(),
        "GPUs": list(map(str, memory["gpus"])),
    }
    for name in MEMORY:
        if memory[name].sum():
            columns[name] = _scale(memory[name], GB)
    columns["sum"] = _scale(memory["total"], GB)
    columns["of"] = _scale(memory["available"], GB)
    columns["fits"] = memory["fits"].to_list()
    return pl.DataFrame(columns)


def list_totals(
    totals: Totals, memory: pl.DataFrame, price: float | None, rented: int
) -> list[str]:
    """Return the lines below the tables: time and money, disk, host memory."""
    lines = []
    least = "" if totals.is_whole else "at least "
    if totals.elapsed_s and rented:
        paid = rented * totals.elapsed_s / HOUR_S
        line = f"{least}{format_digits(totals.elapsed_s / HOUR_S)} hours with {rented} GPU"
        if rented > 1:
            busy = format_digits(totals.gpu_s / HOUR_S)
            line += f"s, which are busy for {busy} of {format_digits(paid)} GPU-hours"
        if price is not None:
            line += f"; {format_digits(price * paid)} at {price:g} per GPU-hour"
            line += f", if all {rented} are paid for all the time" if rented > 1 else ""
        lines.append(line)
    lines.append(
        f"{_size(totals.bytes)} of disk with every checkpoint, and {_size(totals.scratch_bytes)}"
        " more while a training writes step checkpoints"
    )
    if memory.height:
        row = max(memory.iter_rows(named=True), key=lambda row: row["host"])
        lines.append(f"{_size(row['host'])} of host memory for the models of {row['stage']}")
    return lines


def list_notes(predicted: pl.DataFrame, *, gpu: str | None, is_measured: bool) -> list[str]:
    """Return notes about missing numbers, and how to give them."""
    notes = []
    if gpu is None:
        notes.append("hours and memory of GPUs need the name of one: --gpu h100-80gb, or plan.gpu")
    if not is_measured:
        notes.append("nothing is measured: add --rates FOLDER, or run a smaller study first")
    else:
        notes.append("measured rates are means of a lake and include the start of engines")
        unmeasured = predicted.filter(predicted["elapsed_s"].is_null() & (predicted["gpus"] > 0))
        if unmeasured.height:
            stages = dict.fromkeys(map(shared_noun, unmeasured["asset"]))
            notes.append(f"not measured yet: {', '.join(stages)}")
    return notes


def print_numbers(rows: pl.DataFrame) -> None:
    """Print a table of `show_work` or `show_memory`, and an empty line."""
    print_table(rows, right=set(rows.columns) - set(WORDS))
    print()


def _choose_time(most: float) -> tuple[str, float]:
    """Return a unit of time for values up to `most` seconds, and its seconds."""
    if most >= HOUR_S:
        return "hours", HOUR_S
    return ("minutes", 60) if most >= 600 else ("s", 1)


def _scale(values: pl.Series, unit: float) -> list[str]:
    return [format_digits(None if value is None else value / unit) for value in values]


def _size(count: float) -> str:
    unit, size = ("GB", GB) if count >= GB else ("MB", 1e6)
    return f"{format_digits(count / size)} {unit}"
