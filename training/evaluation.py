"""Evaluation of one policy on held-out prompts: responses, their rewards and log-probabilities.

They are the rows of the table `evaluation_responses`. Responses are sampled at temperature 1, so
that the mean of log pi - log pi_0 over them is an unbiased estimate of KL(pi || pi_0) (paper,
eq. 2). Not here: statistics (`transforms.measures.evaluation`).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.engine.sampler import Sampler
from training.models.logps import compute_sequence_logps
from training.scoring import score
from training.settings.evaluation import EvaluationSettings
from training.settings.loop import LoopSettings
from training.settings.scoring import ScoringSettings

GoldReward = Callable[[str, str], float]
"""(last user turn, response) -> gold reward."""


def evaluate(
    policy: Path,
    reference: Path,
    reward_model: Path,
    prompts: pl.DataFrame,
    loop: LoopSettings,
    settings: EvaluationSettings,
    *,
    seed: int,
    dtype: str,
    gold: GoldReward | None,
    description: str = "evaluation",
) -> pl.DataFrame:
    """Sample responses to held-out prompts, at temperature 1 and greedily, and measure each.

    Args:
        policy: folder of the policy.
        reference: folder of pi_0.
        reward_model: folder of the reward model.
        prompts: prompt_id, prompt, split; one row per prompt.
        loop: token limits of responses, batch sizes.
        settings: number of samples, batch size of log-probabilities.
        seed: seed of the sampling engine; equal for all policies, so that only weights differ.
        dtype: compute type.
        gold: the gold reward, if the prompts have one.
        description: text of the progress bar.

    Returns:
        One row per response, sorted by decoding, prompt_id, response_index: the columns of
        `evaluation_responses` without experiment, iteration, model and policy_id.
    """
    sampled: list[pl.DataFrame] = []
    decodings = {
        "sampled": {"n": settings.samples, "temperature": 1.0, "top_p": 1.0},
        "greedy": {"n": 1, "temperature": 0.0, "top_p": 1.0},
    }
    with Sampler(policy, loop.sampling, seed=seed, dtype=dtype) as sampler:
        for decoding, changes in decodings.items():
            chunks: list[pl.DataFrame] = []
            sampler.sample(
                prompts.select("prompt_id", "prompt"),
                loop.sampling.model_copy(update={"samplers": (), **changes}),
                commit=chunks.append,
                description=f"{description}: {decoding}",
            )
            sampled += [chunk.with_columns(decoding=pl.lit(decoding)) for chunk in chunks]
    rows = (
        pl.concat(sampled)
        .join(prompts, on="prompt_id")
        .sort("decoding", "prompt_id", "response_index")
    )
    return rows.with_columns(
        reward=score_rows(rows, reward_model, loop.scoring, dtype=dtype),
        gold_reward=_compute_gold_rewards(rows, gold),
        policy_logp=compute_sequence_logps(
            rows, policy, batch_tokens=settings.logps_batch_tokens, dtype=dtype
        ),
        reference_logp=compute_sequence_logps(
            rows, reference, batch_tokens=settings.logps_batch_tokens, dtype=dtype
        ),
    )


def score_rows(
    rows: pl.DataFrame, reward_model: Path, settings: ScoringSettings, *, dtype: str
) -> pl.Series:
    """Score rows of prompt and response; return their rewards in the order of the rows.

    Raises:
        InputError: as in `training.scoring.score`; the message has the row number as prompt_id.
    """
    # The row number is the key here, because prompt_id and response_index are not unique.
    rows = rows.select("prompt", "response").with_row_index("row")
    scored: list[pl.DataFrame] = []
    score(
        rows.select(
            "prompt",
            "response",
            prompt_id=pl.col("row").cast(pl.String),
            response_index=pl.lit(0, dtype=pl.Int32),
        ),
        reward_model,
        settings,
        dtype=dtype,
        commit=scored.append,
        description="evaluation: rewards",
    )
    rewards = pl.concat(scored).with_columns(row=pl.col("prompt_id").cast(pl.UInt32))
    return rows.select("row").join(rewards, on="row", maintain_order="left")["reward"]


def _compute_gold_rewards(rows: pl.DataFrame, gold: GoldReward | None) -> pl.Series:
    if gold is None:
        return pl.Series([None] * rows.height, dtype=pl.Float64)
    questions = (prompt[-1]["content"] for prompt in rows["prompt"].to_list())
    answers = rows["response"].to_list()
    return pl.Series(
        [gold(question, answer) for question, answer in zip(questions, answers, strict=True)],
        dtype=pl.Float64,
    )
