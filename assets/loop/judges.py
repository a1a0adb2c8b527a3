"""The verdicts of the recipe's judge on responses, on pairs and on single comparisons.

Not here: the judge as a ranker (`assets.loop.ranking.judge`), requests to it
(`training.judging.judge`), rewards from its verdicts (`transforms.pairs.judgments`).
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from assets.materialize import Step
from assets.study import Study
from training.settings.judge import JudgeSettings
from training.settings.scoring import RankingSettings
from transforms.lake.lake import Chunks
from transforms.pairs import judgments
from transforms.pairs.responses import as_responses


def judge_settings(judge: JudgeSettings) -> dict[str, Any]:
    """Return the settings that a judge's verdicts depend on; how it is reached changes none."""
    return judge.model_dump(
        exclude={
            "timeout_s",
            "retries",
            "concurrency",
            "chunk_comparisons",
            "api_key_variable",
            "max_unparsed_share",
        }
    )


def judge_id(study: Study) -> str:
    """Return the id of the recipe's judge: a hash of its model, its rubric and its requests."""
    from training.judging.judge import describe_judge

    judge = describe_judge(study.recipe.judge, dtype=study.recipe.model.dtype)
    return judge["judge_id"].item()


def judged_pairs(step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Have the recipe's judge compare both sides of pairs, each pair in both orders.

    Args:
        step: the asset's step.
        pairs: pair_id, prompt, chosen, rejected, and other columns.

    Returns:
        As `Ranker.pair_rewards`: the reward of a side is its share of the two verdicts.
    """
    chunks: list[pl.DataFrame] = []
    judged_responses(step, as_responses(pairs), RankingSettings(), chunks.append)
    return judgments.pair_shares(pl.concat(chunks))


def ask_judge(step: Step, comparisons: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Have the judge compare texts in both orders; stored verdicts are not asked again.

    Args:
        step: the asset's step.
        comparisons: comparison_id (unique), prompt (messages), first, second (texts).

    Returns:
        Its judge_id, and its rows of `judgments` for these comparisons.
    """
    from training.judging.judge import describe_judge, judge

    recipe, lake = step.study.recipe, step.lake
    named = describe_judge(recipe.judge, dtype=recipe.model.dtype)
    judgments.record_judge(lake, named)
    asked = named.item(0, "judge_id")
    missing = judgments.missing_comparisons(comparisons, judgments.answered(lake, asked))
    step.log.info(f"{step.asset}: {missing.height} of {comparisons.height} comparisons to judge")
    judge(
        missing,
        recipe.judge,
        dtype=recipe.model.dtype,
        commit=Chunks(lake, "judgments"),
        description=step.asset,
    )
    said = lake.scan("judgments", judge_id=asked)
    return asked, said.join(comparisons.lazy(), on="comparison_id", how="semi").collect()


def judged_responses(
    step: Step,
    rows: pl.DataFrame,
    ranking: RankingSettings,
    commit: Callable[[pl.DataFrame], Any],
) -> Any:
    """Have the judge compare the responses of every prompt; stored verdicts are not asked again.

    Args:
        step: the asset's step.
        rows: prompt_id, response_index, prompt, response.
        ranking: which comparisons are made.
        commit: called with prompt_id, response_index, reward, chunk by chunk.

    Returns:
        The `RankingRun` of `training.judging.judge_ranker`.
    """
    from training.judging.judge import describe_judge
    from training.judging.judge_ranker import judge_responses

    recipe, lake = step.study.recipe, step.lake
    judgments.record_judge(lake, describe_judge(recipe.judge, dtype=recipe.model.dtype))
    return judge_responses(
        rows,
        recipe.judge,
        ranking,
        dtype=recipe.model.dtype,
        judged=judgments.answered(lake, judge_id(step.study)),
        commit_judgments=Chunks(lake, "judgments"),
        commit=commit,
        description=step.asset,
    )
