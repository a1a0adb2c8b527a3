"""The recipe's judge: what its verdicts depend on, and the rewards that they give.

Lives here: responses and labelled pairs ranked by it, comparisons that it is asked for. Not here:
asking it (`training.judging.judge`), what its verdicts add up to (`transforms.pairs.judgments`).
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
    """Say what a judge's verdicts depend on; how it is reached changes none."""
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
    """Identify the recipe's judge: its model, its rubric and how it is asked."""
    from training.judging.judge import describe_judge

    judge = describe_judge(study.recipe.judge, dtype=study.recipe.model.dtype)
    return judge["judge_id"].item()


def judged_pairs(
    study: Study, step: Step, pairs: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge labelled pairs by the recipe's judge, each in both orders.

    Args:
        study: the study.
        step: the asset's step.
        pairs: pair_id, prompt, chosen, rejected, and other columns.

    Returns:
        As `assets.loop.rankers.pair_rewards`: a side's reward is its share of the two verdicts.
    """
    chunks: list[pl.DataFrame] = []
    _ask_judge(study, step, as_responses(pairs), RankingSettings(), chunks.append)
    return judgments.pair_shares(pl.concat(chunks))


def ask_judge(study: Study, step: Step, comparisons: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Have the judge compare texts in both orders; what it has said is not asked again.

    Args:
        study: the study.
        step: the asset's step.
        comparisons: comparison_id (unique), prompt (messages), first, second (texts).

    Returns:
        Its judge_id, and its rows of `judgments` for these comparisons.
    """
    from training.judging.judge import describe_judge, judge

    recipe, lake = study.recipe, step.lake
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


def rank_by_judge(
    study: Study, step: Step, rows: pl.DataFrame, commit: Callable[[pl.DataFrame], Any]
) -> dict[str, Any]:
    """Rank responses by the recipe's judge; as `assets.loop.rankers.rank`."""
    run = _ask_judge(study, step, rows, step.loop.ranking, commit)
    return {
        "comparisons_asked": run.judged.comparisons,
        "unparseable_answers": run.judged.unparseable,
        "unanswered_requests": run.judged.unanswered,
        "undecided_meetings": run.undecided,
        "unranked_responses": run.unranked,
    }


def _ask_judge(
    study: Study,
    step: Step,
    rows: pl.DataFrame,
    ranking: RankingSettings,
    commit: Callable[[pl.DataFrame], Any],
) -> Any:
    """Have the judge compare the responses of every prompt; what it has said is not asked again."""
    from training.judging.judge import describe_judge
    from training.judging.judge_ranker import judge_responses

    recipe, lake = study.recipe, step.lake
    judgments.record_judge(lake, describe_judge(recipe.judge, dtype=recipe.model.dtype))
    return judge_responses(
        rows,
        recipe.judge,
        ranking,
        dtype=recipe.model.dtype,
        judged=judgments.answered(lake, judge_id(study)),
        commit_judgments=Chunks(lake, "judgments"),
        commit=commit,
        description=step.asset,
    )
