"""Rules for candidate comparisons: the structural filter, ties, margins, limits per prompt.

Not here: native columns and a source's own rules (`transforms.sources.catalog`), held-out prompts
(`transforms.prompts.splits`).

The rules are published with the method's preference sets (section 2.1 of the paper and the card of
`RLHFlow/HH-RLHF-Helpful-standard`). There are four deviations:

1. A turn without a visible character is empty (`transforms.sources.layouts.blank_text`); upstream
   tests the length.
2. Equal scores are a tie, and scores against the label are a conflict, if both scores exist.
   Upstream does the same for some of its sets.
3. A pair equal to an earlier pair of its source is dropped
   (`transforms.sources.intake.duplicates`).
4. A pair is dropped if one side has no score or a score that is not a number; upstream let `N/A`
   win.
"""

from collections.abc import Sequence

import polars as pl

from transforms.identity import canonical_messages, hash_text
from transforms.lake.schemas import schema_of
from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.comparisons import VERDICTS
from transforms.sources.layouts.conversations import drop_last_turn, treat_system_turn
from transforms.sources.layouts.rules import Rule, apply_rules
from transforms.sources.layouts.turn_rules import forbid_empty_turn, join_roles, read_first_content

GROUP = "\x1d"
"""ASCII group separator: parts prompt, chosen and rejected of a pair's identity."""

PAIR_ROLES = "^user,assistant(,user,assistant)*$"


def split_pairs(
    source: str,
    candidates: pl.DataFrame,
    options: SourceOptions | None = None,
    rules: Sequence[Rule] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split candidate comparisons into kept pairs, in row order, and dropped rows.

    Args:
        source: name of the source.
        candidates: row_key, chosen_messages, rejected_messages (whole conversations), chosen_score,
            rejected_score, verdict (`transforms.sources.layouts.entry.Layout`), and the columns
            that `rules` read.
        options: choices of the source.
        rules: the source's own rules, applied after the structural ones. They read the columns of
            `candidates`.

    Returns:
        `preference_pairs` without `split`, and `dropped_rows`. Duplicates are not removed yet.
    """
    options = options or SourceOptions()
    sides = ["chosen_messages", "rejected_messages"]
    known, own = _evaluate_rules(candidates, rules)
    known = known.with_columns(
        *(treat_system_turn(pl.col(side), options.system_turn).alias(side) for side in sides),
        source=pl.lit(source),
    ).with_columns(
        prompt=drop_last_turn(pl.col("chosen_messages")),
        rejected_prompt=drop_last_turn(pl.col("rejected_messages")),
        chosen=pl.col("chosen_messages").list.tail(1),
        rejected=pl.col("rejected_messages").list.tail(1),
        margin=pl.col("chosen_score") - pl.col("rejected_score"),
    )
    ordered = [*_pair_rules(), *own, *_score_rules(options)]
    kept, dropped = apply_rules("preference_pairs", known, ordered)
    sides = ["prompt", "chosen", "rejected"]
    texts = kept.select(canonical_messages(side) for side in sides)
    ids = texts.select(
        pair_id=hash_text(pl.concat_str(sides, separator=GROUP)),
        prompt_id=hash_text(pl.col("prompt")),
    )
    columns = [name for name in schema_of("preference_pairs") if name != "split"]
    return kept.with_columns(ids).select(columns), dropped


def identify_pairs(prompt: str, chosen: str, rejected: str) -> pl.Expr:
    """Hash three message lists per row to the identifier of a comparison, `pair_id`."""
    parts = [canonical_messages(column) for column in (prompt, chosen, rejected)]
    return hash_text(pl.concat_str(parts, separator=GROUP))


def limit_pairs(pairs: pl.DataFrame, options: SourceOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep at most `max_pairs_per_prompt` pairs per prompt, selected by a hash of pair and seed."""
    limit = options.max_pairs_per_prompt
    if limit is None:
        return pairs, pl.DataFrame(schema=schema_of("dropped_rows"))
    order = hash_text(pl.format("{}/{}", pl.lit(options.seed), "pair_id"))
    rank = order.rank("ordinal").over("prompt_id")
    ranked = pairs.with_columns(rank=rank, of=pl.len().over("prompt_id"))
    evidence = pl.format("number {} of {}, at most {}", "rank", "of", pl.lit(limit))
    kept, dropped = apply_rules(
        "preference_pairs", ranked, [Rule("prompt_limit", pl.col("rank") > limit, evidence)]
    )
    return kept.drop("rank", "of"), dropped


def _evaluate_rules(
    candidates: pl.DataFrame, rules: Sequence[Rule]
) -> tuple[pl.DataFrame, list[Rule]]:
    """Evaluate a source's own rules before its native columns get other meanings.

    A native column may be called `prompt`, `chosen` or `source`, like a column of the result.
    """
    columns = [
        pl.struct(broken=rule.broken, evidence=rule.evidence).alias(f"rule {number}")
        for number, rule in enumerate(rules)
    ]
    results = [pl.col(f"rule {number}").struct for number in range(len(rules))]
    evaluated = [
        Rule(rule.reason, result.field("broken"), result.field("evidence"))
        for rule, result in zip(rules, results, strict=True)
    ]
    return candidates.with_columns(columns), evaluated


def _pair_rules() -> list[Rule]:
    turns = [pl.col(side).list.len() for side in ("chosen_messages", "rejected_messages")]
    roles = [join_roles("chosen_messages"), join_roles("rejected_messages")]
    return [
        Rule(
            pl.col("verdict"), pl.col("verdict").is_not_null(), pl.col("verdict").replace(VERDICTS)
        ),
        Rule(
            "missing_value",
            pl.any_horizontal(pl.col("chosen_messages", "rejected_messages").is_null()),
            pl.lit("a conversation is null"),
        ),
        Rule("turn_mismatch", turns[0] != turns[1], pl.format("{} and {} turns", *turns)),
        Rule("odd_turns", turns[0] % 2 == 1, pl.format("{} turns", turns[0])),
        Rule(
            "role_order",
            ~(roles[0].str.contains(PAIR_ROLES) & roles[1].str.contains(PAIR_ROLES)),
            pl.format("{} | {}", *roles),
        ),
        forbid_empty_turn("chosen_messages"),
        forbid_empty_turn("rejected_messages"),
        Rule(
            "prefix_mismatch",
            pl.col("prompt") != pl.col("rejected_prompt"),
            pl.lit("turns before the last differ"),
        ),
        Rule(
            "identical_response",
            read_first_content("chosen") == read_first_content("rejected"),
            read_first_content("chosen").str.slice(0, 60),
        ),
    ]


def _score_rules(options: SourceOptions) -> list[Rule]:
    scores = [pl.col("chosen_score"), pl.col("rejected_score")]
    scored = scores[0].is_not_null() & scores[1].is_not_null()
    one_unscored = scores[0].is_null() != scores[1].is_null()
    not_finite = scored & ~(scores[0].is_finite() & scores[1].is_finite())
    shown = pl.format(
        "chosen {}, rejected {}",
        *(
            pl.when(score.is_not_null()).then(score.cast(pl.String)).otherwise(pl.lit("none"))
            for score in scores
        ),
    )
    rules = [
        Rule("missing_score", one_unscored | not_finite, shown),
        Rule("label_conflict", scored & (scores[0] < scores[1]), shown),
    ]
    if options.drop_ties:
        rules.append(Rule("tie", scored & (scores[0] == scores[1]), shown))
    if options.min_margin:
        evidence = pl.format("margin {}, at least {}", "margin", pl.lit(options.min_margin))
        rules.append(Rule("small_margin", pl.col("margin") < options.min_margin, evidence))
    return rules
