"""Policy gradient on rewards of single responses with a KL penalty (RLOO, Ahmadian et al. 2024).

One TRL RLOOTrainer run, as a function and as `python -m training.rloo`. For n responses y_1 ... y_n
of the policy to a prompt x, let R_i = r(x, y_i) - lambda |y_i| - beta log π/ref(y_i | x), with
log-probabilities in nats, summed over the response. The gradient is

    1/n sum over i of [R_i - mean of R_j, j != i] grad log π(y_i | x)

(arXiv 2402.14740, section 2). TRL has two such trainers. RLOO is RLHF as in the papers; GRPO
divides by the standard deviation within a group, and has another estimate of the KL, in the loss
instead of the reward. Responses are rendered and scored as for the other objectives: by reward
models, functions and verifiers, and by weighted sums of them (`training.rewards.scorers`).

Deviation 1 from TRL: prompts have the same order in every epoch, decided by the seed. TRL makes a
new order per epoch, and a resumed run would have another one. Deviation 2: TRL loads the reference
from the folder in the policy's config, which is the folder that the policy started from; here the
config has the folder of the reference. With an adapter, TRL's reference is the policy without its
adapter, which is right if the policy started from the reference; another reference is loaded.

With the model itself as generator, a killed and resumed run ends with the weights of an
uninterrupted one. With vLLM it does not, because the state of vLLM's random numbers is not stored.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("rloo")

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RLOOConfig, RLOOTrainer
from trl.trainer.utils import add_fused_lm_head, disable_dropout_in_model

from training.models.loading.weights import load_causal_model, require_causal_weights
from training.models.rendering import load_tokenizer, tokenize_prompts
from training.rewards.scorers import load_weighted_scorer
from training.runs.adapters import load_model, load_trained
from training.runs.examples import Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.objectives import RLOORun
from transforms.errors import InputError
from transforms.identity import FIELD, hash_text

Messages = list[dict[str, str]]


class RenderingRLOOTrainer(RLOOTrainer):
    """RLOOTrainer whose prompts are rendered as everywhere else (`training.models.rendering`)."""

    def _tokenize_prompts(
        self, prompts: list[Messages]
    ) -> tuple[list[list[int]], None, dict[str, Any]]:
        tokenizer = cast(PreTrainedTokenizerBase, self.processing_class)
        return tokenize_prompts(tokenizer, prompts), None, {}

    def _generate_single_turn(self, *arguments: Any) -> Any:
        """Sample in the compute type, in which log-probabilities are computed, too.

        TRL samples in the type of the weights; an adapter and its frozen weights have two.
        """
        with nullcontext() if self.use_vllm else self.accelerator.autocast():
            return super()._generate_single_turn(*arguments)

    def add_reference(self, model: PreTrainedModel) -> None:
        """Use a model as the reference of an adapter; TRL uses the model without its adapter."""
        disable_dropout_in_model(model)
        add_fused_lm_head(model, temperature=self.temperature)
        self.ref_model = self.accelerator.prepare_model(model, evaluation_mode=True)


def train_rloo(
    prompts: Rows | Path,
    start: Path,
    output: Path,
    settings: RLOORun,
    *,
    reference: Path,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a policy on its own responses to prompts, by their rewards.

    Args:
        prompts: columns prompt_id, prompt (message lists) and, for rewards that need it, reference;
            or the folder of their examples.
        start: checkpoint folder; training starts from its weights.
        output: folder of the finished checkpoint.
        settings: optimiser, beta, sampling, rewards, length penalty.
        reference: checkpoint folder of the frozen reference.
        seed: seed of the order of the prompts and of the sampling.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: a model is incomplete, no reward is set, no prompt leaves room for a response, a
            response has no reward, or `generator` is vllm and there is no GPU.
    """
    started = time.perf_counter()
    if settings.generator == "vllm" and not torch.cuda.is_available():
        raise InputError(
            "rloo cannot sample with vLLM here",
            expected="a GPU, which vLLM shares with the training",
            found="no GPU",
            remedy="set rloo.generator to transformers",
        )
    if not settings.rewards:
        raise InputError(
            "rloo has no reward to maximise",
            expected="`rewards` in its settings, such as {brief: {reward: {function: r.py:brief}}}",
            found="none",
            remedy="name at least one reward",
        )
    load = partial(load_causal_model, start)
    require_causal_weights(reference)  # TRL loads it

    def build(folder: Path, dataset: Dataset) -> RLOOTrainer:
        policy = load_trained(load, settings, dtype)
        if settings.lora is None:
            policy["model"].config.name_or_path = str(reference)  # deviation 2
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        del arguments["max_length"], arguments["train_sampling_strategy"]  # TRL has its own order
        trainer = RenderingRLOOTrainer(
            **policy,
            # after the arguments, which choose the GPU of this process
            reward_funcs=make_reward(settings, dtype),
            args=complete_arguments(
                RLOOConfig(
                    **arguments,
                    beta=settings.beta,
                    num_generations=settings.sampling.n,
                    temperature=settings.sampling.temperature,
                    top_p=settings.sampling.top_p,
                    max_completion_length=settings.sampling.max_tokens,
                    mask_truncated_completions=settings.pairs.drop_truncated,
                    shuffle_dataset=False,
                    disable_dropout=True,
                    use_vllm=settings.generator == "vllm",
                    vllm_gpu_memory_utilization=settings.vllm_memory_utilization,
                    vllm_max_model_length=settings.max_tokens,
                )
            ),
            train_dataset=shuffle_prompts(dataset, seed),
            processing_class=load_tokenizer(start),
        )
        if settings.lora and settings.beta and not reference.samefile(start):
            trainer.add_reference(
                load_model(partial(load_causal_model, reference), settings, dtype)
            )
        return trainer

    return train(
        build, output, settings, prompts, partial(load_maker, start, settings),
        load=load, started=started, report=report,
    )  # fmt: skip


def load_maker(start: Path, settings: RLOORun) -> Make:
    """Load the tokenizer, and return the function that makes examples of prompts.

    An example is a text with its length in tokens, including the longest response, and with the
    reference of its prompt (null without one).
    """
    tokenizer = load_tokenizer(start)

    def make(prompts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        ids = tokenize_prompts(tokenizer, prompts["prompt"].to_list())
        reference = pl.lit(None, pl.String).alias("reference")
        lengths = [len(row) + settings.sampling.max_tokens for row in ids]
        examples = prompts.select(
            "prompt_id",
            "prompt",
            pl.col("reference") if "reference" in prompts.columns else reference,
            pl.col("prompt_id").alias("row_key"),
            pl.Series("length", lengths, pl.Int64),
        )
        return split_fitting(examples, settings.max_tokens, "row_key")

    return make


def shuffle_prompts(prompts: Dataset, seed: int) -> Dataset:
    """Shuffle prompts by a hash of the seed and their prompt_id."""
    keys = pl.DataFrame({"prompt_id": prompts["prompt_id"][:]})
    order = hash_text(pl.concat_str(pl.lit(f"{seed}"), pl.lit(FIELD), "prompt_id"))
    return prompts.select(keys.with_row_index().sort(order)["index"].to_numpy())


def make_reward(settings: RLOORun, dtype: str) -> Callable[..., list[float | None]]:
    """Load the rewards of the settings, and return the reward function that TRL calls.

    A reward is that of `training.rewards.scorers` minus the length penalty of `settings.pairs`.
    """
    scorer = load_weighted_scorer(settings.rewards, dtype, settings.scoring)
    # `RLOORun` refuses "calibrated".
    penalty, unit = cast(float, settings.pairs.length_penalty), settings.pairs.length_unit

    def reward(
        prompts: list[Messages],
        completions: list[Messages],
        completion_ids: list[list[int]],
        prompt_id: list[str],
        reference: list[str | None],
        **_: Any,
    ) -> list[float | None]:
        texts = [completion[-1]["content"] for completion in completions]
        rows = pl.DataFrame(
            {"prompt_id": prompt_id, "prompt": prompts, "response": texts, "reference": reference},
            schema_overrides={"reference": pl.String},
        ).with_columns(response_index=pl.int_range(pl.len()) % settings.sampling.n)
        lengths = map(len, texts if unit == "chars" else completion_ids)
        return [r - penalty * length for r, length in zip(scorer(rows), lengths, strict=True)]

    return reward
