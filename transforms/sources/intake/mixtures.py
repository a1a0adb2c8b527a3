"""Mixtures of preference sources: duplicates and contradictions between sources, caps, weights.

Not here: the rules for single pairs (`transforms.sources.intake.preferences`).

The paper compares Mix1 (HH-RLHF, SHP, UltraFeedback, summaries) with Mix2 (all of Table 1) in
section 2.3 and drops conversations whose labels other features contradict (section 2.1). It defines
no contradiction, and does not explain how 848,965 pairs became 700,000. Here a contradiction is the
same comparison with both preferences; the recipe sets caps and weights.
"""

from collections.abc import Collection, Mapping

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.sources import MixtureSource
from transforms.sources.intake.ledger import write_ledger
from transforms.sources.intake.losses import describe_loss
from transforms.sources.intake.preferences import identify_pairs
from transforms.sources.layouts.rules import Rule, apply_rules

EVERYTHING = "all"
"""Name of the mixture that every recipe has: all pairs of all sources, each pair once."""

COMPARABLE = dict.fromkeys(("row_key", "source", "prompt_id", "pair_id", "reversed_id"), pl.String)
"""Columns of the pairs that are mixed."""

PARTS = {"source": pl.String, "half": pl.String, "max_pairs": pl.Int64, "weight": pl.Float64}
"""Columns of a mixture's settings, one row per source."""

CONSISTENT = (
    Rule(
        "contradicted",
        pl.col("contradicted"),
        pl.format("pair {} prefers the opposite", "reversed_id"),
    ),
    Rule(
        "duplicate_pair",
        pl.col("repeated"),
        pl.format("first in {} at {}", "first_source", "first"),
    ),
)
HALF = Rule(
    "other_half",
    pl.col("of_half") != pl.col("half"),
    pl.format("prompt {} is in the {} half", "prompt_id", "of_half"),
)
CAP = Rule(
    "over_cap",
    (pl.col("rank") >= pl.col("max_pairs")).fill_null(False),
    pl.format("number {}, at most {}", pl.col("rank") + 1, "max_pairs"),
)
WEIGHT = Rule("under_weight", pl.col("copies") == 0, pl.format("weight {}", "weight"))
"""The rules of a mixture, in the order in which they are applied."""


def require_mixtures(
    mixtures: Mapping[str, Mapping[str, MixtureSource]],
    *,
    preferences: Collection[str],
    used: Mapping[str, str],
) -> None:
    """Refuse unknown sources in mixtures, sources without preferences, and undefined mixtures.

    Args:
        mixtures: mixtures of the recipe, by name.
        preferences: names of the sources of preferences.
        used: for each key of the recipe with a mixture, the mixture's name.

    Raises:
        ValueError: the first mistake, with the allowed names.
    """
    if EVERYTHING in mixtures:
        raise ValueError(f"mixture {EVERYTHING} contains every source; choose another name")
    for name, parts in mixtures.items():
        if unknown := sorted(set(parts) - set(preferences)):
            raise ValueError(
                f"mixture {name} names {', '.join(unknown)}; the sources of preferences are "
                f"{', '.join(sorted(preferences))}"
            )
    for key, name in used.items():
        if name != EVERYTHING and name not in mixtures:
            known = ", ".join([EVERYTHING, *mixtures])
            raise ValueError(f"{key} is {name!r}; the mixtures are {known}")


def ledger_name(mixture: str) -> str:
    """Return the name of a mixture in the ledger's column `table`."""
    return f"mixture_{mixture}"


def read_comparable_pairs(lake: Lake) -> pl.DataFrame:
    """Read the columns of the training pairs that mixing needs, without texts.

    Returns:
        row_key, source, prompt_id, pair_id, and reversed_id: the id of the opposite preference.
    """
    frames = [
        rows.select(
            "row_key",
            "source",
            "prompt_id",
            "pair_id",
            reversed_id=identify_pairs("prompt", "rejected", "chosen"),
        )
        for rows in lake.read_frames("preference_pairs", split="train")
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=COMPARABLE)


def write_mixtures(lake: Lake, mixtures: Mapping[str, Mapping[str, MixtureSource]]) -> pl.DataFrame:
    """Write all mixtures to `mixture_pairs`, and their dropped rows to the ledger.

    Returns:
        Counts: mixture, source, pairs, shown (pairs times copies).

    Raises:
        InputError: a mixture has no pairs; the table keeps its last version.
    """
    pairs = read_comparable_pairs(lake)
    mixed = {name: mix(name, pairs, parts) for name, parts in mixtures.items()}
    for name, (kept, dropped) in mixed.items():
        if kept.is_empty():
            raise InputError(
                f"mixture {name} has no pairs",
                expected=f"training pairs of {', '.join(mixtures[name])}",
                found=f"{dropped.height:,} pairs, all dropped: {describe_loss(lake, dropped)}"
                if dropped.height
                else "none: all pairs of these sources are held out",
                remedy="add a source to the mixture, or lower the held-out fractions in `splits`",
            )
    for name, (_, dropped) in mixed.items():
        write_ledger(lake, ledger_name(name), dropped)
    kept = pl.concat([rows for rows, _ in mixed.values()])
    lake.overwrite("mixture_pairs", kept)
    return (
        kept.group_by("mixture", "source")
        .agg(pairs=pl.len(), shown=pl.col("copies").sum())
        .sort("mixture", "source")
    )


def mix(
    name: str, pairs: pl.DataFrame, parts: Mapping[str, MixtureSource]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Select the pairs of a mixture from the training pairs.

    Args:
        name: name of the mixture.
        pairs: result of `read_comparable_pairs`.
        parts: sources of the mixture; a source may have no pairs.

    Returns:
        `mixture_pairs`, sorted by pair_id, and `dropped_rows`: pairs that an alphabetically earlier
        source also has, both pairs of a contradiction, pairs of the other half, pairs over a cap,
        and pairs that get no copy because the weight is below 1. Pairs of other sources are in
        neither frame.
    """
    table = ledger_name(name)
    of_mixture = pairs.filter(pl.col("source").is_in(list(parts))).sort(
        "source", "row_key", maintain_order=True
    )
    of_mixture = of_mixture.with_columns(
        first=pl.col("row_key").first().over("pair_id"),
        first_source=pl.col("source").first().over("pair_id"),
        repeated=~pl.col("pair_id").is_first_distinct(),
        contradicted=pl.col("reversed_id").is_in(of_mixture["pair_id"].implode()),
    )
    consistent, inconsistent = apply_rules(table, of_mixture, CONSISTENT)
    settings = pl.DataFrame(
        [(source, part.half, part.max_pairs, part.weight) for source, part in parts.items()],
        schema=PARTS,
        orient="row",
    )
    joined = consistent.join(settings, on="source", maintain_order="left")
    parted = joined.with_columns(of_half=find_half("prompt_id"))
    halved, other_half = apply_rules(table, parted, [HALF])
    ranked = halved.sort("pair_id").with_columns(rank=pl.int_range(pl.len()).over("source"))
    capped, over_cap = apply_rules(table, ranked, [CAP])
    # weight 1.5: a copy of every pair, and a second one of the first half of them (ids are hashes)
    extra = (pl.len().over("source") * (pl.col("weight") % 1)).round().cast(pl.Int64)
    copies = pl.col("weight").floor().cast(pl.Int32) + (pl.col("rank") < extra).cast(pl.Int32)
    weighed = capped.with_columns(mixture=pl.lit(name), copies=copies)
    kept, under_weight = apply_rules(table, weighed, [WEIGHT])
    dropped = pl.concat([inconsistent, other_half, over_cap, under_weight])
    return kept.select(list(schema_of("mixture_pairs"))), dropped


def find_half(prompt_id: str) -> pl.Expr:
    """Return the half of a prompt, first or second, by the last digit of its id.

    Splits are decided by the first digits, so a half is independent of them.
    """
    digit = pl.col(prompt_id).str.slice(-1)
    return pl.when(digit < "8").then(pl.lit("first")).otherwise(pl.lit("second"))
