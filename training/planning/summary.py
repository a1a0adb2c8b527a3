"""Tables of a plan: work by asset, sums by experiment and by stage, memory, facts.

Not here: the work (`training.planning.work`), measured rates
(`transforms.lake.records.predicted_costs`), printing (`assets.cli.plan`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import polars as pl

from training.planning.facts import ORIGINS, Fact, find_weakest
from training.planning.gpus import Gpu
from training.planning.loads import Load
from training.planning.trainings import Work
from transforms.formats import format_digits
from transforms.lake.asset_names import shared_noun

WORK = {
    "asset": pl.String,
    "experiment": pl.String,
    "rows": pl.Int64,
    "tokens": pl.Int64,
    "most_tokens": pl.Int64,
    "bytes": pl.Int64,
    "scratch_bytes": pl.Int64,
    "gpus": pl.Int64,
    "elapsed_s": pl.Float64,
    "gpu_s": pl.Float64,
    "origin": pl.String,
}
"""One row per asset and experiment; null if a number is unknown. `tokens` are trained or sampled
ones, of scores those that are read. `gpus` is the largest number at once."""

OWN_KINDS = ("trained", "sampled", "read")
"""Kinds of loads; the first that an asset has is that of its tokens."""

TIGHT = 0.9
"""Share of a GPU's memory above which a stage is tight: allocators leave gaps between tensors."""


def tabulate_work(works: Sequence[Work], lengths: Sequence[Fact]) -> pl.DataFrame:
    """Return one row per asset and experiment (`WORK`).

    Args:
        works: the planned work.
        lengths: facts of the lengths of prompts and responses.
    """
    return pl.DataFrame([_describe(work, lengths) for work in works], schema=WORK)


def _describe(work: Work, lengths: Sequence[Fact]) -> dict[str, object]:
    loads = work.loads
    kinds = [load.kind for load in loads]
    own = next((kind for kind in OWN_KINDS if kind in kinds), None)
    counted = [load for load in loads if load.kind == own]
    known = own is not None and (work.rows is not None or work.examples is None)
    seconds = [load.seconds for load in loads]
    timed = bool(loads) and known and None not in seconds
    facts = (work.examples and work.examples.facts) or lengths
    return {
        "asset": work.asset,
        "experiment": work.experiment,
        "rows": work.rows,
        "tokens": round(sum(load.tokens for load in counted)) if known else None,
        "most_tokens": round(sum(load.most_tokens for load in counted)) if known else None,
        "bytes": work.bytes,
        "scratch_bytes": work.scratch,
        "gpus": max((load.gpus for load in loads), default=0),
        "elapsed_s": sum(s for s in seconds if s is not None) if timed else None,
        "gpu_s": sum(load.gpus * (load.seconds or 0) for load in loads) if timed else None,
        "origin": find_weakest(facts) if loads else None,
    }


SUMS = ("tokens", "most_tokens", "bytes", "elapsed_s", "gpu_s")
"""Columns of `WORK` that are summed."""


def sum_work(predicted: pl.DataFrame, by: str) -> pl.DataFrame:
    """Sum rows of `predict_costs` by `experiment` or by `stage`, in the order of a run.

    Returns:
        The column `by`, runs (materialisations with work), gpus, `SUMS`, and the least sure origin
        and time_origin; a last row `total`. A sum is null if no part of it is known.
    """
    stage = pl.col("asset").map_elements(shared_noun, return_dtype=pl.String)
    named = predicted.with_columns(stage=stage)
    weakest = [
        pl.col(name).replace_strict(ORIGINS, range(len(ORIGINS)), default=None).max().alias(name)
        for name in ("origin", "time_origin")
    ]
    figures = [
        (pl.col("rows").is_null() | (pl.col("rows") > 0)).sum().alias("runs"),
        pl.col("gpus").max(),
        *(pl.when(pl.col(one).count() > 0).then(pl.col(one).sum()).alias(one) for one in SUMS),
        *weakest,
    ]
    total = named.select(pl.lit("total").alias(by), *figures)
    sums = pl.concat([named.group_by(by, maintain_order=True).agg(figures), total])
    return sums.with_columns(
        pl.col("origin", "time_origin").replace_strict(
            range(len(ORIGINS)), ORIGINS, default=None, return_dtype=pl.String
        )
    )


def tabulate_memory(works: Iterable[Work], gpu: Gpu) -> pl.DataFrame:
    """Return the memory of each stage where it needs most: one row per stage.

    Returns:
        stage, gpus, the parts of `Memory`, total, available, host, remedy, and fits (yes, tight,
        no); bytes.
    """
    largest: dict[str, Load] = {}
    for load in _list_loads(works):
        known = largest.get(load.stage)
        if load.memory is not None and (known is None or _need(known) < _need(load)):
            largest[load.stage] = load
    rows = []
    for stage, load in largest.items():
        needed, available = _need(load), load.limit * gpu.memory_bytes
        fits = "no" if needed > available else "tight" if needed > TIGHT * available else "yes"
        parts = {} if load.memory is None else asdict(load.memory)
        rows.append(
            {"stage": stage, "gpus": load.gpus, **parts, "total": needed, "available": available}
            | {"host": float(load.host), "remedy": load.remedy, "fits": fits}
        )
    return pl.DataFrame(rows)


def _need(load: Load) -> float:
    return load.memory.total if load.memory else 0.0


def list_misfits(memory: pl.DataFrame) -> list[str]:
    """Return one line per stage that does not fit: what it needs, has, and what to change."""
    if memory.is_empty():
        return []
    return [
        f"{row['stage']} does not fit: needs {format_digits(row['total'] / 1e9)} GB per GPU, has"
        f" {format_digits(row['available'] / 1e9)} GB; {row['remedy']}"
        for row in memory.filter(pl.col("fits") == "no").iter_rows(named=True)
    ]


@dataclass(frozen=True)
class Totals:
    """Sums over all assets."""

    elapsed_s: float
    gpu_s: float
    bytes: float
    scratch_bytes: float
    """Largest scratch of an asset."""
    is_whole: bool
    """Whether the rows of every training are known."""


def compute_totals(predicted: pl.DataFrame) -> Totals:
    """Sum rows of `predict_costs` over all assets."""
    unknown = pl.col("rows").is_null() & (pl.col("scratch_bytes") > 0)
    row = predicted.select(
        pl.col("elapsed_s", "gpu_s", "bytes").sum().cast(pl.Float64),
        pl.col("scratch_bytes").max().cast(pl.Float64),
        is_whole=~unknown.any(),
    ).row(0, named=True)
    return Totals(**row)


def count_gpus(works: Iterable[Work]) -> int:
    """Return the largest number of GPUs at once: those that must be rented."""
    return max((load.gpus for load in _list_loads(works)), default=0)


def tabulate_facts(facts: Iterable[Fact]) -> pl.DataFrame:
    """Return number, value, origin, source; facts that differ only in the subject are one row."""

    def key(fact: Fact) -> tuple[str, str, str]:
        return fact.name, fact.origin, fact.source

    found = list(dict.fromkeys(facts))
    order = list(dict.fromkeys(map(key, found)))
    found.sort(key=lambda fact: order.index(key(fact)))
    rows = []
    for (name, origin, source), grouped in groupby(found, key):
        group = list(grouped)
        values = [fact.value for fact in group]
        summed = group[0].unit == "rows"
        low, high = (sum(values),) * 2 if summed else (min(values), max(values))
        subjects = [fact.subject for fact in group if fact.subject]
        about = ", ".join(subjects) if len(subjects) <= 2 else f"{len(subjects)} sources"
        rows.append(
            {
                "number": f"{name}: {about}" if about else name,
                "value": f"{_format_range(low, high)} {'' if summed else group[0].unit}".strip(),
                "origin": origin,
                "source": source,
            }
        )
    return pl.DataFrame(rows)


def _format_range(low: float, high: float) -> str:
    one = format_digits(low)
    return one if low == high else f"{one} to {format_digits(high)}"


def _list_loads(works: Iterable[Work]) -> list[Load]:
    return [load for work in works for load in work.loads]
