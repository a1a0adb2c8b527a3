"""Preference pairs of the n scored responses of each prompt, by a pair rule.

A rule (`transforms.pairs.pair_rules`) gives candidate pairs of ranked responses
(`transforms.pairs.ranked_responses`); pairs of equal texts, equal rewards or small margins are
dropped here, and so are pairs outside the share with the largest margins.

Source: paper, section 3.3 (best against worst of n = 8) and eq. 8 (r - lambda |a|). Deviation: the
published script ranks by the penalised reward, but then decides by the raw reward which side is
chosen, which can undo the penalty. Here the penalised reward decides both, so chosen always has the
higher penalised reward.
"""

import math

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import LOOP_SLICE
from transforms.pairs.pair_rules import RULES
from transforms.pairs.ranked_responses import assistant_turn, rank_responses
from transforms.settings.pairs import PairSettings


def make_pairs(
    responses: pl.DataFrame, settings: PairSettings, penalty: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rank the responses of each prompt by penalised reward and pair them by the settings' rule.

    Equal penalised rewards are ordered by response_index: of equals, the best is the first and the
    worst the last. If a rule gives several pairs of a prompt, pairs with the same two texts count
    once.

    Args:
        responses: prompt_id, response_index, response, response_tokens, response_chars,
            finish_reason, reward, prompt (messages); one row per response.
        settings: rule, unit of length, smallest margin, share of the largest margins.
        penalty: lambda of eq. 8, reward units per unit of length, from `resolve_length_penalty`.

    Returns:
        `dpo_pairs` and `dropped_pairs`, both without experiment and iteration, sorted by prompt_id
        (and the ranks of chosen and rejected). Every prompt is in exactly one of them: it has at
        least one pair, or it is dropped for the reason of its pair of widest margin. The first
        reason that applies counts: too_few_responses, equal_text, equal_reward, small_margin
        (also: its pairs are not among the largest margins).

    Raises:
        InputError: a reward is NaN or infinite. A null reward (no verdict of a judge) makes the
            response unusable.
    """
    order = rank_responses(responses, settings, penalty).with_columns(
        place=pl.int_range(pl.len()).over("prompt_id"), usable=pl.len().over("prompt_id")
    )
    candidates = RULES[settings.rule](order)
    for side in ("chosen", "rejected"):
        facts = pl.col("response", "response_index", "reward", "penalised_reward")
        sides = order.select(
            "prompt_id", facts.name.prefix(f"{side}_"), pl.col("place").alias(f"{side}_place")
        )
        candidates = candidates.join(sides, on=["prompt_id", f"{side}_place"], validate="m:1")
    margin = pl.col("chosen_penalised_reward") - pl.col("rejected_penalised_reward")
    checked = candidates.sort("prompt_id", "chosen_place", "rejected_place").with_columns(
        margin=margin,
        reason=pl.when(pl.col("chosen_response") == pl.col("rejected_response"))
        .then(pl.lit("equal_text"))
        .when(margin == 0).then(pl.lit("equal_reward"))
        .when(margin < settings.min_margin).then(pl.lit("small_margin")),
    )  # fmt: skip
    texts = ["prompt_id", "chosen_response", "rejected_response"]
    kept = _keep_largest_margins(
        checked.filter(pl.col("reason").is_null()).unique(texts, keep="first", maintain_order=True),
        settings.largest_margins,
    )
    prompts = responses.unique("prompt_id").select("prompt_id", "prompt").sort("prompt_id")
    widest = checked.sort(
        "prompt_id", "margin", "rejected_place", descending=[False, True, True]
    ).unique("prompt_id", keep="first", maintain_order=True)
    dropped = (
        prompts.join(kept, on="prompt_id", how="anti", maintain_order="left")
        .join(widest, on="prompt_id", how="left", maintain_order="left")
        .with_columns(
            reason=pl.when(pl.col("margin").is_null())
            .then(pl.lit("too_few_responses"))
            .otherwise(pl.col("reason").fill_null("small_margin"))
        )
    )
    pairs = kept.join(prompts, on="prompt_id", maintain_order="left", validate="m:1").with_columns(
        chosen=assistant_turn(pl.col("chosen_response")),
        rejected=assistant_turn(pl.col("rejected_response")),
        rule=pl.lit(settings.rule),
    )
    return (
        pairs.select(name for name in schema_of("dpo_pairs") if name not in LOOP_SLICE),
        dropped.select(name for name in schema_of("dropped_pairs") if name not in LOOP_SLICE),
    )


def _keep_largest_margins(pairs: pl.DataFrame, share: float) -> pl.DataFrame:
    """Keep a share of the pairs, rounded up, in their order; of equal margins the first ones."""
    kept = math.ceil(round(share * pairs.height, 6))  # 0.07 x 100 is more than 7
    return pairs.filter(pl.col("margin").rank("ordinal", descending=True) <= kept)


def require_pairs(pairs: pl.DataFrame, dropped: pl.DataFrame) -> None:
    """Check that a prompt has a pair.

    Args:
        pairs: `dpo_pairs` of a slice.
        dropped: its `dropped_pairs`.

    Raises:
        InputError: there is no pair; the error counts the reasons.
    """
    if pairs.is_empty():
        counts = (
            dropped["reason"]
            .value_counts()
            .sort("count", "reason", descending=[True, False])
            .rows()
        )
        raise InputError(
            "no prompt has a pair of responses",
            expected="a prompt whose best and worst response differ in text and reward",
            found=", ".join(f"{count} prompts {reason}" for reason, count in counts)
            or "no prompt with responses",
            remedy="raise sampling.temperature or sampling.n, lower pairs.min_margin, or look at"
            " the scores: prefloop sql 'select * from scored_responses limit 20'",
        )
