"""Verdicts of the recipe's judge on the responses of prompts, on pairs, on single comparisons.

Not here: the judge as a ranker (`assets.loop.ranking.judge`), requests to it
(`training.judging.judge`), rewards from its verdicts (`transforms.pairs.judgments`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.materialize import Step
from assets.study import Study
from training.judging.rubrics import read_rubric
from training.models.checkpoint import identify_model
from training.settings.judge import JudgeSettings
from training.settings.scoring import RankingSettings
from transforms.identity import digest
from transforms.lake.chunks import Chunks
from transforms.pairs import judgments
from transforms.pairs.responses import convert_to_responses

if TYPE_CHECKING:
    from training.judging.judge_ranker import JudgeRankingRun


def judge_settings(judge: JudgeSettings) -> dict[str, Any]:
    """Return the settings that a judge's verdicts by its rubric depend on.

    They contain a hash of the rubric's text, so that an edited one makes verdicts stale.

    Raises:
        InputError: there is no such rubric.
    """
    rubric = {"rubric": judge.rubric, "rubric_hash": digest(read_rubric(judge.rubric))}
    return judge_model_settings(judge) | rubric


def judge_model_settings(judge: JudgeSettings) -> dict[str, Any]:
    """Return the settings that a judge's answers depend on, besides the text of the requests.

    They are all but those of the connection. They contain the files of a judge in a folder, so that
    an edited one makes verdicts stale.
    """
    dumped = judge.model_dump(
        exclude={
            "timeout_s",
            "retries",
            "max_equal_errors",
            "concurrency",
            "chunk_comparisons",
            "api_key_variable",
            "max_unparsed_share",
            "devices",
            "rubric",
        }
    )
    return dumped | {"path": identify_model(judge.path)}


def judge_id(study: Study) -> str:
    """Return the id of the recipe's judge: a hash of its model, its rubric and its requests."""
    from training.judging.judge import describe_judge

    judge = describe_judge(study.judge, dtype=study.recipe.model.dtype)
    return str(judge.item(0, "judge_id"))


def judge_pairs(step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ask the recipe's judge to compare both sides of pairs, each pair in both orders.

    Args:
        step: the asset's step.
        pairs: pair_id, prompt, chosen, rejected, and other columns.

    Returns:
        The same frames as `Ranker.pair_rewards`: the reward of a side is its share of the two
        verdicts.
    """
    chunks: list[pl.DataFrame] = []
    rank_by_judge(step, convert_to_responses(pairs), RankingSettings(), chunks.append)
    return judgments.split_pair_shares(pl.concat(chunks))


def ask_judge(step: Step, comparisons: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Ask the judge to compare texts in both orders; stored verdicts are reused.

    Args:
        step: the asset's step.
        comparisons: comparison_id (unique), prompt (messages), first, second (texts).

    Returns:
        The judge_id, and the rows of `judgments` for these comparisons.
    """
    from training.judging.judge import describe_judge, judge

    settings, lake = step.study.judge, step.lake
    description = describe_judge(settings, dtype=step.dtype)
    judgments.record_judge(lake, description)
    judge_id = str(description.item(0, "judge_id"))
    missing = judgments.select_missing(comparisons, judgments.read_answered(lake, judge_id))
    step.log.info(f"{step.asset}: {missing.height} of {comparisons.height} comparisons to judge")
    with Chunks(lake, "judgments", step.commits) as commit:
        judge(missing, settings, dtype=step.dtype, commit=commit, description=step.asset)
    verdicts = judgments.select_verdicts(lake.scan("judgments", judge_id=judge_id))
    return judge_id, verdicts.join(comparisons.lazy(), on="comparison_id", how="semi").collect()


def rank_by_judge(
    step: Step,
    rows: pl.DataFrame,
    ranking: RankingSettings,
    commit: Callable[[pl.DataFrame], Any],
) -> "JudgeRankingRun":
    """Ask the judge to compare the responses of every prompt; stored verdicts are reused.

    Args:
        step: the asset's step.
        rows: prompt_id, response_index, prompt, response.
        ranking: which comparisons are made.
        commit: called with prompt_id, response_index, reward, chunk by chunk.

    Returns:
        Counts of comparisons, verdicts and responses without a reward.
    """
    from training.judging.judge import describe_judge
    from training.judging.judge_ranker import judge_responses

    settings, lake = step.study.judge, step.lake
    judgments.record_judge(lake, describe_judge(settings, dtype=step.dtype))
    with Chunks(lake, "judgments", step.commits) as commit_judgments:

        def commit_rewards(rewards: pl.DataFrame) -> None:
            commit_judgments.flush()  # no reward is in the lake without its verdicts
            commit(rewards)

        return judge_responses(
            rows,
            settings,
            ranking,
            dtype=step.dtype,
            judged=judgments.read_answered(lake, judge_id(step.study)),
            commit_judgments=commit_judgments,
            commit=commit_rewards,
            description=step.asset,
        )
