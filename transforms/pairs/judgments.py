"""Judgments: comparisons of responses for a judge, and win shares from its verdicts.

It also reads and writes the tables `judges` and `judgments`. Not here: sending requests to a judge
(`training.judging.judge`), parsing its answer (`training.judging.rubrics`).

A comparison is a prompt and two texts. Its id is a hash of them, so a verdict is reused wherever
the same two texts are compared. Each comparison is judged in both orders, because judges favour
one position.
"""

from typing import NamedTuple

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import ORDER

ORDERS = ("first", "second")
"""Values of `a_is`: the response of a comparison that is shown as A."""


class RoundRobin(NamedTuple):
    """All pairs of responses of each prompt, and their distinct comparisons."""

    matches: pl.DataFrame
    """prompt_id, left, right (response_index, left < right), left_is_first, comparison_id (null:
    the two texts are equal, which needs no judge)."""
    comparisons: pl.DataFrame
    """comparison_id, prompt, first, second (texts); distinct."""


def make_round_robin(responses: pl.DataFrame) -> RoundRobin:
    """Match every two responses of a prompt.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response.
    """
    side = responses.select("prompt_id", "response_index", "response")
    matches = responses.select("prompt_id", "prompt", left="response_index", text="response").join(
        side.rename({"response_index": "right", "response": "other"}), on="prompt_id"
    )
    matches = (
        matches.filter(pl.col("left") < pl.col("right"))
        .sort("prompt_id", "left", "right")
        .with_columns(
            left_is_first=pl.col("text") < pl.col("other"),
            first=pl.min_horizontal("text", "other"),
            second=pl.max_horizontal("text", "other"),
        )
        .with_columns(
            comparison_id=pl.when(pl.col("first") != pl.col("second")).then(
                identify_comparison("first", "second")
            )
        )
    )
    comparisons = (
        matches.filter(pl.col("comparison_id").is_not_null())
        .select("comparison_id", "prompt", "first", "second")
        .unique("comparison_id", maintain_order=True)
    )
    return RoundRobin(
        matches.select("prompt_id", "left", "right", "left_is_first", "comparison_id"), comparisons
    )


def identify_comparison(text: str, other: str) -> pl.Expr:
    """Return the comparison_id of two columns of texts, which is the same in either order.

    The column `prompt_id` has the prompt.
    """
    texts = pl.min_horizontal(text, other), pl.max_horizontal(text, other)
    return hash_text(pl.concat_str("prompt_id", *texts, separator=FIELD))


def combine_verdicts(judgments: pl.DataFrame) -> pl.DataFrame:
    """Combine the verdicts of both orders of each comparison.

    Args:
        judgments: comparison_id, a_is, verdict of one judge.

    Returns:
        comparison_id, first_share: 1 if both orders prefer the first response, 0 if both prefer the
        second, 0.5 if both are ties or the orders disagree, null (no verdict) if an order is
        missing, unparseable or unanswered.
    """
    for_first = (
        pl.when(verdict="tie").then(0.5)
        .when(pl.col("verdict").is_in(["A", "B"]))
        .then(((pl.col("verdict") == "A") == (pl.col("a_is") == "first")).cast(pl.Float64))
    )  # fmt: skip
    both = pl.col("share").count() == len(ORDERS)
    agree = pl.col("share").min() == pl.col("share").max()
    combined = pl.when(both & agree).then(pl.col("share").first()).when(both).then(0.5)
    return (
        judgments.select("comparison_id", "a_is", share=for_first)
        .group_by("comparison_id")
        .agg(first_share=combined)
        .sort("comparison_id")
    )


def compute_win_shares(matches: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Compute the reward of each response: its mean share of a win over matches with a verdict.

    A win is 1, a tie 0.5, a loss 0; equal texts tie. Matches without a verdict are left out.

    Args:
        matches: the matches of a `RoundRobin`.
        outcomes: result of `combine_verdicts`.

    Returns:
        prompt_id, response_index, reward (null: no verdict at all), undecided (matches left out).
    """
    first_share = pl.when(pl.col("comparison_id").is_null()).then(0.5).otherwise("first_share")
    left_share = pl.when("left_is_first").then(first_share).otherwise(1 - first_share)
    joined = matches.join(
        outcomes, on="comparison_id", how="left", maintain_order="left"
    ).with_columns(left_share=left_share)
    sides = [
        joined.select("prompt_id", response_index="left", share="left_share"),
        joined.select("prompt_id", response_index="right", share=1 - pl.col("left_share")),
    ]
    return (
        pl.concat(sides)
        .group_by("prompt_id", "response_index")
        .agg(
            reward=pl.col("share").mean(),
            undecided=pl.col("share").null_count().cast(pl.Int64),
        )
        .sort("prompt_id", "response_index")
    )


def split_pair_shares(shares: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the win shares of labelled pairs into pairs with a verdict and pairs without one.

    Args:
        shares: prompt_id (id of the pair), response_index (0 chosen, 1 rejected), reward (null: no
            usable verdict).

    Returns:
        pair_id, chosen_reward, rejected_reward; and the pairs without a verdict, as row_key,
        reason, evidence.
    """
    rewards = shares.pivot("response_index", index="prompt_id", values="reward").select(
        pair_id="prompt_id", chosen_reward="0", rejected_reward="1"
    )
    undecided = pl.any_horizontal(pl.col("chosen_reward", "rejected_reward").is_null())
    return rewards.filter(~undecided), rewards.filter(undecided).select(
        row_key="pair_id", reason=pl.lit("no_verdict"), evidence=pl.lit("see judgments.raw_text")
    )


def record_judge(lake: Lake, judge: pl.DataFrame) -> None:
    """Write the row of a judge, before the first request; it replaces an earlier one."""
    lake.overwrite("judges", judge, judge_id=judge.item(0, "judge_id"))


def select_verdicts(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Select one answer per judge, comparison and order among the rows of `judgments`.

    Rows are only appended, so a comparison may have several commits: a request that failed is sent
    again, and two runs may send the same one at the same time. The first commit without an error
    counts; if every commit has one, the last.
    """
    key = ["judge_id", "comparison_id"]
    answered = pl.col("error").is_null().all().over(*key, ORDER)
    counts = pl.coalesce(
        pl.col(ORDER).filter(answered).min().over(key), pl.col(ORDER).max().over(key)
    )
    return rows.filter(pl.col(ORDER) == counts)


def read_answered(lake: Lake, judge_id: str) -> pl.DataFrame:
    """Read a judge's comparisons with an answer in both orders.

    A comparison with an error in one order (such as a time-out) is left out, so that the run sends
    it again. An unparseable answer is an answer: with greedy decoding, the judge would repeat it.

    Returns:
        comparison_id, a_is, verdict; both orders of every comparison.
    """
    columns = ["comparison_id", "a_is", "verdict"]
    rows = select_verdicts(lake.scan_or_empty("judgments", judge_id=judge_id))
    answered = rows.filter(pl.col("error").is_null().all().over("comparison_id"))
    return answered.select(columns).collect()


def read_verdicts(lake: Lake) -> pl.DataFrame:
    """Read the verdicts of all judges: judge_id, comparison_id, a_is, verdict."""
    columns = ["judge_id", "comparison_id", "a_is", "verdict"]
    verdicts = select_verdicts(lake.scan_or_empty("judgments"))
    return verdicts.select(columns).sort(columns[:3]).collect()


def select_missing(comparisons: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """Keep the comparisons without a judgment, in their order."""
    return comparisons.join(judgments, on="comparison_id", how="anti", maintain_order="left")
