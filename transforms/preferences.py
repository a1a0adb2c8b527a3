"""Which demonstrations, pairs and prompts are kept, and why each other one is not.

Lives here: structural filters over standard columns. Not here: native columns
(`transforms.layouts`), held-out prompts (`transforms.splits`). Every rule is a condition and the
evidence it leaves; the first rule that a row breaks is its reason, so kept plus dropped is raw.

The rules of pairs are those published with the method's preference sets (section 2.1 of the paper
and the card of `RLHFlow/HH-RLHF-Helpful-standard`), with four deviations:

1. A turn of white space only counts as empty; upstream tests the length without stripping.
2. Equal scores are a tie and scores against the label a conflict, wherever both scores exist.
   Upstream does so for some of its sets.
3. A pair that an earlier row of its source already gave is dropped.
4. A score that one side lacks or that is no number drops the pair; upstream let `N/A` win.
"""

from typing import NamedTuple

import polars as pl

from transforms.identity import canonical_messages, hashed, message_id
from transforms.layouts import all_but_last
from transforms.schemas import SCHEMAS

GROUP = "\x1d"
"""ASCII group separator: parts prompt, chosen and rejected of a pair's identity."""

PAIR_ROLES = "^user,assistant(,user,assistant)*$"
DEMONSTRATION_ROLES = "^(system,)?user,assistant(,user,assistant)*$"
PROMPT_ROLES = "^(system,)?user(,assistant,user)*$"


class Rule(NamedTuple):
    """A reason to drop a row: what breaks it and what the row shows for it."""

    reason: str
    broken: pl.Expr
    evidence: pl.Expr


def split_pairs(source: str, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split standard pairs into kept ones, in row order, and dropped rows.

    Args:
        source: name of the source.
        pairs: row_key, chosen_messages, rejected_messages (whole conversations), chosen_score,
            rejected_score; the columns of `transforms.layouts.to_pairs`.

    Returns:
        `preference_pairs` without `split`, and `dropped_rows`.
    """
    known = pairs.with_columns(
        source=pl.lit(source),
        prompt=all_but_last("chosen_messages"),
        rejected_prompt=all_but_last("rejected_messages"),
        chosen=pl.col("chosen_messages").list.tail(1),
        rejected=pl.col("rejected_messages").list.tail(1),
        margin=pl.col("chosen_score") - pl.col("rejected_score"),
    )
    sound, broken = _apply("preference_pairs", known, _pair_rules())
    parts = [canonical_messages(name) for name in ("prompt", "chosen", "rejected")]
    sound = sound.with_columns(
        pair_id=hashed(pl.concat_str(parts, separator=GROUP)), prompt_id=message_id("prompt")
    )
    kept, duplicates = _drop_duplicates("preference_pairs", sound, "pair")
    columns = [name for name in SCHEMAS["preference_pairs"] if name != "split"]
    return kept.select(columns), pl.concat([broken, duplicates])


def _pair_rules() -> list[Rule]:
    turns = [pl.col(side).list.len() for side in ("chosen_messages", "rejected_messages")]
    scores = [pl.col("chosen_score"), pl.col("rejected_score")]
    scored = scores[0].is_not_null() & scores[1].is_not_null()
    shown = pl.format(
        "chosen {}, rejected {}", *(score.fill_null(float("nan")) for score in scores)
    )
    roles = [_roles("chosen_messages"), _roles("rejected_messages")]
    one_unscored = scores[0].is_null() != scores[1].is_null()
    not_finite = scored & ~(scores[0].is_finite() & scores[1].is_finite())
    return [
        Rule(
            "missing_value",
            pl.any_horizontal(pl.col("chosen_messages", "rejected_messages").is_null()),
            pl.lit("a conversation is null"),
        ),
        Rule("missing_value", one_unscored | not_finite, shown),
        Rule("turn_mismatch", turns[0] != turns[1], pl.format("{} against {} turns", *turns)),
        Rule("odd_turns", turns[0] % 2 == 1, pl.format("{} turns", turns[0])),
        Rule(
            "role_order",
            ~(roles[0].str.contains(PAIR_ROLES) & roles[1].str.contains(PAIR_ROLES)),
            pl.format("{} | {}", *roles),
        ),
        _empty_turn("chosen_messages"),
        _empty_turn("rejected_messages"),
        Rule(
            "prefix_mismatch",
            canonical_messages("prompt") != canonical_messages("rejected_prompt"),
            pl.lit("turns before the last differ"),
        ),
        Rule("identical_response", _content("chosen") == _content("rejected"), _shown("chosen")),
        Rule("tie", scored & (scores[0] == scores[1]), shown),
        Rule("label_conflict", scored & (scores[0] < scores[1]), shown),
    ]


def split_demonstrations(source: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split conversations (row_key, messages) into `demonstrations` and `dropped_rows`.

    Kept: user and assistant alternate after an optional system turn, the last turn is the
    assistant's, no turn is empty.
    """
    known = rows.with_columns(source=pl.lit(source))
    kept, dropped = _apply("demonstrations", known, _shape_rules("messages", DEMONSTRATION_ROLES))
    kept = kept.with_columns(prompt=all_but_last("messages")).with_columns(
        prompt_id=message_id("prompt")
    )
    return kept.select(list(SCHEMAS["demonstrations"])), dropped


def collect_prompts(prompts: dict[str, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Collect the distinct prompts of all sources into `prompts`, the rest into `dropped_rows`.

    Args:
        prompts: by source, row_key and prompt. A prompt that several sources have belongs to the
            first in alphabetical order.
    """
    known = pl.concat(
        frame.select("row_key", "prompt", source=pl.lit(source))
        for source, frame in sorted(prompts.items())
    )
    sound, broken = _apply("prompts", known, _shape_rules("prompt", PROMPT_ROLES))
    sound = sound.with_columns(prompt_id=message_id("prompt"))
    kept, duplicates = _drop_duplicates("prompts", sound, "prompt")
    chars = pl.col("prompt").list.eval(pl.element().struct.field("content").str.len_chars())
    kept = kept.with_columns(prompt_chars=chars.list.sum().cast(pl.Int64))
    return kept.select(list(SCHEMAS["prompts"])), pl.concat([broken, duplicates])


def count_reasons(dropped: pl.DataFrame) -> pl.DataFrame:
    """Count `dropped_rows` by source and reason: source, reason, rows; the most frequent first."""
    counted = dropped.group_by("source", "reason").agg(rows=pl.len())
    return counted.sort("rows", "source", "reason", descending=[True, False, False])


def _shape_rules(column: str, roles: str) -> list[Rule]:
    return [
        Rule("missing_value", pl.col(column).is_null(), pl.lit(f"{column} is null")),
        Rule("role_order", ~_roles(column).str.contains(roles), _roles(column)),
        _empty_turn(column),
    ]


def _empty_turn(column: str) -> Rule:
    text = pl.element().struct.field("content").fill_null("").str.strip_chars()
    empty = pl.col(column).list.eval(text == "")
    return Rule(
        "empty_turn",
        empty.list.any(),
        pl.format("turn {} of {}", empty.list.arg_max() + 1, pl.lit(column)),
    )


def _roles(column: str) -> pl.Expr:
    return (
        pl.col(column).list.eval(pl.element().struct.field("role").fill_null("null")).list.join(",")
    )


def _content(column: str) -> pl.Expr:
    return pl.col(column).list.first().struct.field("content")


def _shown(column: str) -> pl.Expr:
    return _content(column).str.slice(0, 60)


def _apply(table: str, rows: pl.DataFrame, rules: list[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sort rows into kept and dropped, each with the first rule that it breaks."""
    broken = [pl.when(rule.broken).then(number) for number, rule in enumerate(rules)]
    judged = rows.with_columns(rule=pl.coalesce(broken))
    chosen = [pl.when(pl.col("rule") == number) for number in range(len(rules))]
    reasons = [when.then(pl.lit(rule.reason)) for when, rule in zip(chosen, rules, strict=True)]
    evidence = [when.then(rule.evidence) for when, rule in zip(chosen, rules, strict=True)]
    dropped = judged.filter(pl.col("rule").is_not_null()).with_columns(
        table=pl.lit(table), reason=pl.coalesce(reasons), evidence=pl.coalesce(evidence)
    )
    kept = judged.filter(pl.col("rule").is_null()).drop("rule")
    return kept, dropped.select(list(SCHEMAS["dropped_rows"]))


def _drop_duplicates(
    table: str, rows: pl.DataFrame, noun: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop a row whose identity an earlier row has."""
    first = pl.col("row_key").first().over(f"{noun}_id")
    duplicate = ~pl.col(f"{noun}_id").is_first_distinct()
    evidence = pl.format("first at {}", "first")
    rule = Rule(f"duplicate_{noun}", duplicate, evidence)
    return _apply(table, rows.with_columns(first=first), [rule])
