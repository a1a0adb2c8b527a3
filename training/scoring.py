"""Scoring: a Bradley-Terry reward model over responses.

Lives here: batches by length, the forward pass, the rows. Not here: training the model
(`training.reward_model`), penalties and pairs (`transforms`).
Source: Dong et al. 2024 (arXiv 2405.07863), section 2.2: the reward is the scalar head's output
at the last token of the whole conversation.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from accelerate.utils import release_memory
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification

from training.batches import by_length, context_tokens_of, pad_right, require_fit
from training.launch import DtypeOption, SettingsOption, read_settings, run_command
from training.rendering import conversation_token_ids, load_tokenizer
from training.settings import ScoringSettings
from transforms.errors import InputError


@dataclass(frozen=True)
class ScoringRun:
    """What a scoring run did; tokens are those of the conversations, without padding."""

    responses: int
    tokens: int
    model_start_s: float
    elapsed_s: float


def score(
    responses: pl.DataFrame,
    reward_model: Path,
    settings: ScoringSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> ScoringRun:
    """Compute the reward of every response; neither order nor batch changes it.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row a response.
        reward_model: folder of a sequence classifier with one label.
        settings: batch_tokens padded tokens a forward pass, chunk_rows rows a commit.
        dtype: dtype of the weights; the head computes in float32 all the same.
        commit: called with prompt_id, response_index, reward (unbounded, in nats: the difference
            of two is a log-odds) for every chunk_rows rows, in input order.
        description: what the progress bar says.

    Raises:
        InputError: the model is no reward model, a conversation does not fit into its context, or
            a reward is not finite; the row is named.
    """
    tokenizer = load_tokenizer(reward_model)
    started = time.perf_counter()
    model = _load(reward_model, dtype)
    ready, tokens = time.perf_counter(), 0
    with tqdm(total=responses.height, desc=description, unit="response", disable=None) as bar:
        for chunk in responses.iter_slices(settings.chunk_rows):
            token_ids = conversation_token_ids(
                tokenizer, chunk["prompt"].to_list(), chunk["response"].to_list()
            )
            names = [
                f"{p}, response {i}" for p, i in chunk.select("prompt_id", "response_index").rows()
            ]
            require_fit(token_ids, names, context_tokens_of(model))
            rewards = [math.nan] * chunk.height
            for batch in by_length(token_ids, settings.batch_tokens):
                for row, reward in zip(
                    batch, _rewards(model, [token_ids[row] for row in batch]), strict=True
                ):
                    rewards[row] = reward
                bar.update(len(batch))
            _require_finite(rewards, names, reward_model)
            commit(
                chunk.select(
                    "prompt_id",
                    pl.col("response_index").cast(pl.Int32),
                    pl.Series("reward", rewards, dtype=pl.Float64),
                )
            )
            tokens += sum(map(len, token_ids))
    elapsed_s = time.perf_counter() - ready
    del model
    release_memory()  # an engine that starts next asks for nearly the whole GPU
    return ScoringRun(responses.height, tokens, ready - started, elapsed_s)


def score_pairs(
    pairs: pl.DataFrame, reward_model: Path, settings: ScoringSettings, *, dtype: str
) -> pl.DataFrame:
    """Score both sides of comparisons, to measure a reward model's accuracy.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        reward_model: folder of a sequence classifier with one label.
        settings: batch_tokens and chunk_rows.
        dtype: dtype of the weights.

    Returns:
        pair_id, chosen_reward, rejected_reward; in the order of `pairs`.

    Raises:
        InputError: as in `score`.
    """
    sides = [
        pairs.select(
            prompt_id="pair_id",
            response_index=pl.lit(index, pl.Int32),
            prompt="prompt",
            response=pl.col(side).list.last().struct.field("content"),
        )
        for index, side in enumerate(("chosen", "rejected"))
    ]
    chunks: list[pl.DataFrame] = []
    score(pl.concat(sides), reward_model, settings, dtype=dtype, commit=chunks.append)
    rewards = (
        pl.concat([chunk["reward"] for chunk in chunks])
        if chunks
        else pl.Series([], dtype=pl.Float64)
    )
    return pairs.select("pair_id").with_columns(
        chosen_reward=rewards[: pairs.height], rejected_reward=rewards[pairs.height :]
    )


def split_by_length(
    pairs: pl.DataFrame, reward_model: Path, max_tokens: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part comparisons that a reward model was trained to read from longer ones.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message), and other columns.
        reward_model: folder whose tokenizer counts.
        max_tokens: longest conversation, prompt and response.

    Returns:
        The pairs of which both sides fit, and the others as row_key, reason, evidence.
    """
    tokenizer = load_tokenizer(reward_model)
    sides = [
        conversation_token_ids(
            tokenizer, pairs["prompt"].to_list(), [side[-1]["content"] for side in pairs[name]]
        )
        for name in ("chosen", "rejected")
    ]
    tokens = [max(len(chosen), len(rejected)) for chosen, rejected in zip(*sides, strict=True)]
    counted = pairs.with_columns(tokens=pl.Series(tokens, dtype=pl.Int64))
    too_long = pl.col("tokens") > max_tokens
    return counted.filter(~too_long).drop("tokens"), counted.filter(too_long).select(
        row_key="pair_id",
        reason=pl.lit("too_long"),
        evidence=pl.format("{} tokens, at most {}", "tokens", pl.lit(max_tokens)),
    )


def _load(reward_model: Path, dtype: str) -> torch.nn.Module:
    model = AutoModelForSequenceClassification.from_pretrained(
        reward_model, dtype=getattr(torch, dtype)
    )
    if model.config.num_labels != 1 or model.config.pad_token_id is None:
        raise InputError(
            f"{reward_model} is not a reward model",
            expected="a sequence classifier with one label and a pad_token_id",
            found=f"{model.config.num_labels} labels, pad_token_id {model.config.pad_token_id}",
            remedy="train it with training.reward_model",
        )
    # bfloat16 rewards near 2 would come in steps of 0.016, in which best and worst of n tie.
    model.score.float()
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def _rewards(model: torch.nn.Module, token_ids: list[list[int]]) -> list[float]:
    inputs, mask = pad_right(token_ids, model.config.pad_token_id, model.device)
    hidden = model.base_model(input_ids=inputs, attention_mask=mask).last_hidden_state
    last = hidden[torch.arange(len(token_ids)), mask.sum(dim=1) - 1]
    return model.score(last.float())[:, 0].tolist()


def _require_finite(rewards: list[float], names: list[str], reward_model: Path) -> None:
    for name, reward in zip(names, rewards, strict=True):
        if not math.isfinite(reward):
            raise InputError(
                f"the reward of prompt {name} is not finite",
                expected="a finite number",
                found=str(reward),
                remedy=f"look at the weights of {reward_model}, or score in float32",
            )


def main(
    reward_model: Annotated[Path, typer.Option(help="Folder of the reward model.")],
    responses: Annotated[
        Path,
        typer.Option(help="Parquet file: prompt_id, response_index, prompt (messages), response."),
    ],
    output: Annotated[Path, typer.Option(help="Parquet file: prompt_id, response_index, reward.")],
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Score responses with a Bradley-Terry reward model, parquet in and parquet out.

    The last line is JSON: responses, tokens, seconds. Example:

    python -m training.scoring --reward-model models/rm --responses r.parquet --output s.parquet
    """
    settings = read_settings(ScoringSettings, settings_file)
    chunks: list[pl.DataFrame] = []
    run = score(
        pl.read_parquet(responses), reward_model, settings, dtype=dtype, commit=chunks.append
    )
    pl.concat(chunks).write_parquet(output)
    print(json.dumps(asdict(run)))


if __name__ == "__main__":
    run_command(main)
