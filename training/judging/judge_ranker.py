"""Rewards of responses from a judge's verdicts, chunk by chunk: AI feedback by rubric (RLAIF).

Not here: judging (`training.judging.judge`), the round robin and its win shares
(`transforms.pairs.judgments`).
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl
from tqdm import tqdm

from training.judging.first_answers import FirstAnswers
from training.judging.judge import JudgeRun, describe_judge, judge_with, open_judge
from training.judging.rubrics import Judge
from training.settings.judge import JudgeSettings
from training.settings.scoring import RankingSettings
from transforms.errors import InputError
from transforms.pairs.judgments import (
    combine_verdicts,
    compute_win_shares,
    make_round_robin,
    select_missing,
)

VERDICTS = ["comparison_id", "a_is", "verdict"]


@dataclass(frozen=True)
class JudgeRankingRun:
    """Counts of a ranking: `undecided` pairs have no verdict, `unranked` responses no reward."""

    responses: int
    undecided: int
    unranked: int
    judged: JudgeRun


def judge_responses(
    responses: pl.DataFrame,
    settings: JudgeSettings,
    ranking: RankingSettings,
    *,
    dtype: str,
    judged: pl.DataFrame,
    commit_judgments: Callable[[pl.DataFrame], None],
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> JudgeRankingRun:
    """Rank every prompt's responses by a judge, as `training.scoring.score` does by a reward.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response.
        settings: the judge, its rubric, its sampling.
        ranking: chunk_prompts, and method, which is `round_robin` here.
        dtype: dtype of the weights of a model that runs here.
        judged: comparison_id, a_is, verdict: earlier verdicts of this judge
            (`transforms.pairs.judgments.read_answered`), which are not requested again. If no
            verdict is missing, no engine starts.
        commit_judgments: as `commit` in `training.judging.judge.judge`.
        commit: called with prompt_id, response_index, reward for every chunk_prompts prompts. The
            reward is the mean win share of the response over its comparisons with the prompt's
            other responses, in [0, 1]; null if no comparison has a verdict.
        description: label of the progress bar.

    Raises:
        InputError: as in `training.judging.judge.judge`, or `ranking.method` is another one.
    """
    if ranking.method != "round_robin":
        raise InputError(
            "a judge cannot rank by this method",
            expected="ranking.method round_robin",
            found=f"ranking.method {ranking.method}",
            remedy="set ranking.method to round_robin",
        )
    identity, started = describe_judge(settings, dtype=dtype), time.perf_counter()
    prompts = responses.select(pl.col("prompt_id").unique(maintain_order=True))
    asked = unparseable = unanswered = undecided = unranked = 0
    first = FirstAnswers(settings)
    with (
        ExitStack() as engine,
        tqdm(total=prompts.height, desc=description, unit="prompt", disable=None) as bar,
    ):
        opened: Judge | None = None
        for portion in prompts.iter_slices(ranking.chunk_prompts):
            chunk = responses.join(portion, on="prompt_id", how="semi", maintain_order="left")
            matches, comparisons = make_round_robin(chunk)
            known = judged.select(VERDICTS).join(comparisons, on="comparison_id", how="semi")
            missing = select_missing(comparisons, known)
            new = [known]

            def keep(rows: pl.DataFrame, new: list[pl.DataFrame] = new) -> None:
                commit_judgments(rows)
                new.append(rows.select(VERDICTS))

            if missing.height:
                opened = opened or engine.enter_context(open_judge(settings, dtype=dtype))
                run = judge_with(opened, identity, missing, keep, first)
                asked += run.comparisons
                unparseable += run.unparseable
                unanswered += run.unanswered
            shares = compute_win_shares(matches, combine_verdicts(pl.concat(new)))
            rewards = chunk.select("prompt_id", pl.col("response_index").cast(pl.Int32)).join(
                shares.with_columns(pl.col("response_index").cast(pl.Int32)),
                on=["prompt_id", "response_index"],
                how="left",
                maintain_order="left",
            )
            commit(rewards.select("prompt_id", "response_index", "reward"))
            undecided += int(rewards["undecided"].sum()) // 2  # a pair counts twice
            unranked += rewards["reward"].null_count()
            bar.update(portion.height)
    elapsed_s = time.perf_counter() - started
    judged_now = JudgeRun(asked, unparseable, unanswered, elapsed_s)
    return JudgeRankingRun(responses.height, undecided, unranked, judged_now)
