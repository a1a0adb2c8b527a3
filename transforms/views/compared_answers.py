"""Answers of a policy beside those of π₀ to the same prompts: the best, the worst, the gamed.

Not here: the figures of many prompts (`evaluation_results`), their display
(`transforms.views.page.sections.browse`).
"""

from collections.abc import Mapping

import polars as pl

BEST, WORST, GAMED = "best", "worst", "gamed"

CASES: Mapping[str, tuple[pl.Expr, bool]] = {
    BEST: (pl.col("gain") > 0, True),
    WORST: (pl.col("gain") < 0, False),
    GAMED: ((pl.col("reward_gain") > 0) & (pl.col("gain") < 0), False),
}
"""Which answers a case has, and whether the largest gain of them comes first."""


def pair_answers(policy: pl.DataFrame, initial: pl.DataFrame, judged: str) -> pl.DataFrame:
    """Pair the answers of two policies to the same prompts.

    Args:
        policy: one row per prompt: prompt_id, response, reward, and the column `judged`.
        initial: the same of π₀.
        judged: column of the reward that says which answer is better: `gold_reward`, a further
            reward, or `reward` if there is no other.

    Returns:
        One row per prompt that both answered, by prompt_id: the columns of `policy`, those of
        `initial` with the ending `_initial`, reward_gain, and gain, the difference of the judged
        rewards. A prompt without one of these rewards is left out.
    """
    return (
        policy.join(initial, on="prompt_id", suffix="_initial")
        .with_columns(
            gain=pl.col(judged) - pl.col(f"{judged}_initial"),
            reward_gain=pl.col("reward") - pl.col("reward_initial"),
        )
        .drop_nulls(["gain", "reward_gain"])
        .sort("prompt_id")
    )


def select_case(answers: pl.DataFrame, case: str) -> pl.DataFrame:
    """Select the answers of a case, the most extreme one first.

    Args:
        answers: from `pair_answers`.
        case: a key of `CASES`. An answer is gamed if its reward is higher than that of π₀'s answer
            and its judged reward is lower: the policy pleases the ranker only.
    """
    condition, descending = CASES[case]
    return answers.filter(condition).sort("gain", "prompt_id", descending=[descending, False])
