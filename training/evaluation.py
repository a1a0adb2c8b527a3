"""Evaluation of one policy on held-out prompts: responses, their rewards and log-probabilities.

The rows of the table `evaluation_responses`. Not here: their statistics
(`transforms.measures.evaluation`). Sampled responses are drawn at temperature 1, so that the mean
of log pi - log pi_0 over them estimates KL(pi || pi_0) without bias (paper, eq. 2).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.generation import Sampler
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
    """Answer held-out prompts, sampled and greedy, and measure every answer.

    Args:
        policy: folder of the policy.
        reference: folder of pi_0.
        reward_model: folder of the reward model.
        prompts: prompt_id, prompt, split; one row per prompt.
        loop: limits of a response, batch sizes.
        settings: number of samples, batch size of log-probabilities.
        seed: of the sampling engine; one seed for all policies, so that they differ by weights.
        dtype: compute type.
        gold: the gold reward, where the prompts have one.
        description: label of the progress bar.

    Returns:
        One row per response, sorted by decoding, prompt_id, response_index: the columns of
        `evaluation_responses` but experiment, iteration, model and policy_id.
    """
    sampled: list[pl.DataFrame] = []
    decodings = {
        "sampled": {"n": settings.samples, "temperature": 1.0, "top_p": 1.0},
        "greedy": {"n": 1, "temperature": 0.0, "top_p": 1.0},
    }
    with Sampler(policy, loop.sampling, seed=seed, dtype=dtype) as sampler:
        for decoding, changes in decodings.items():
            sampler.sample(
                prompts.select("prompt_id", "prompt"),
                loop.sampling.model_copy(update={"samplers": (), **changes}),
                commit=lambda rows, decoding=decoding: sampled.append(
                    rows.with_columns(decoding=pl.lit(decoding))
                ),
                description=f"{description}: {decoding}",
            )
    rows = (
        pl.concat(sampled)
        .join(prompts, on="prompt_id")
        .sort("decoding", "prompt_id", "response_index")
    )
    return rows.with_columns(
        reward=score_rows(rows, reward_model, loop.scoring, dtype=dtype),
        gold_reward=_gold_rewards(rows, gold),
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
    """Score rows of prompt and response in their order.

    Raises:
        InputError: as `training.scoring.score`, which numbers the rows for their keys.
    """
    # the row's number is its key here: prompt_id and response_index are not unique
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


def _gold_rewards(rows: pl.DataFrame, gold: GoldReward | None) -> pl.Series:
    if gold is None:
        return pl.Series([None] * rows.height, dtype=pl.Float64)
    questions = (prompt[-1]["content"] for prompt in rows["prompt"].to_list())
    answers = rows["response"].to_list()
    return pl.Series(
        [gold(question, answer) for question, answer in zip(questions, answers, strict=True)],
        dtype=pl.Float64,
    )
