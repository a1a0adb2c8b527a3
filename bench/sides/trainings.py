"""Trainings of `bench/one_pass.py`: DPO and the reward model, by TRL and with packed rows."""

import time
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from sides.case import SETTINGS, Case
from transformers import Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

from training.dpo import METRICS, TokenizedDPOTrainer
from training.models.loading.weights import load_causal_model, load_classifier
from training.models.one_pass.forward import share_prompts, share_prompts_of_classifier
from training.models.rendering import load_tokenizer
from training.models.rewards import compute_head_in_float32


class StepCosts(TrainerCallback):
    """Clock and processor seconds of each step, and what the trainer logs."""

    def __init__(self) -> None:
        self.s: list[float] = []
        self.cpu_s: list[float] = []
        self.logs: list[dict[str, float]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: D102
        self._begun = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: D102
        self.s.append(time.perf_counter() - self._begun[0])
        self.cpu_s.append(time.process_time() - self._begun[1])

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:  # noqa: D102
        if "loss" in logs:
            self.logs.append(logs)


class InMemoryDPOTrainer(DPOTrainer):
    """TRL's trainer over token ids; the reference is a second model."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def train_dpo_by_trl(case: Case) -> dict[str, Any]:
    """Train with the reference as a second model, TRL's default."""
    return _train(build_trl_dpo(case, _list_arguments(case, "trl")))


def train_dpo(case: Case) -> dict[str, Any]:
    """Train with stored log-probabilities of the reference (`reference.parquet`)."""
    pairs = pl.read_parquet(case.folder / "reference.parquet")
    trainer = TokenizedDPOTrainer(
        model=load_causal_model(case.model, "float32"),
        args=DPOConfig(**_list_arguments(case, "ours"), beta=0.1, precompute_ref_log_probs=True),
        train_dataset=_make_dataset(
            pairs.select(
                "prompt_ids", "chosen_ids", "rejected_ids", "ref_chosen_logps", "ref_rejected_logps"
            )
        ),
        processing_class=load_tokenizer(case.model),
    )
    share_prompts(trainer, SETTINGS, sides=2, outputs=METRICS)
    return _train(trainer)


def train_reward_model_by_trl(case: Case) -> dict[str, Any]:
    """Train a reward model on padded rows."""
    return _train(_build_reward_trainer(case, "trl"))


def train_reward_model(case: Case) -> dict[str, Any]:
    """Train a reward model on packed rows."""
    trainer = _build_reward_trainer(case, "ours")
    share_prompts_of_classifier(trainer, SETTINGS, sides=2)
    return _train(trainer)


def build_trl_dpo(case: Case, arguments: dict[str, Any]) -> DPOTrainer:
    """Build TRL's trainer of DPO with two models in memory."""
    pairs = pl.read_parquet(case.folder / "pairs.parquet")
    return InMemoryDPOTrainer(
        model=load_causal_model(case.model, "float32"),
        ref_model=load_causal_model(case.model, "float32"),
        args=DPOConfig(**arguments, beta=0.1),
        train_dataset=_make_dataset(pairs.select("prompt_ids", "chosen_ids", "rejected_ids")),
        processing_class=load_tokenizer(case.model),
    )


def _build_reward_trainer(case: Case, side: str) -> RewardTrainer:
    pairs = pl.read_parquet(case.folder / "pairs.parquet").select(
        pl.concat_list("prompt_ids", f"{name}_ids").alias(f"{name}_ids")
        for name in ("chosen", "rejected")
    )
    torch.manual_seed(0)
    model = load_classifier(case.model, "float32", new_head=True)
    compute_head_in_float32(model)
    return RewardTrainer(
        model=model,
        args=RewardConfig(**_list_arguments(case, side)),
        train_dataset=_make_dataset(pairs),
        processing_class=load_tokenizer(case.model),
    )


def _make_dataset(rows: pl.DataFrame) -> Dataset:
    return Dataset.from_dict(rows.to_dict(as_series=False))


def _list_arguments(case: Case, side: str) -> dict[str, Any]:
    """List the arguments that all trainers share; rows are read in the given order."""
    return {
        "output_dir": str(case.folder / side), "per_device_train_batch_size": case.micro_batch_size,
        "max_steps": case.steps, "learning_rate": 5e-6, "lr_scheduler_type": "constant",
        "bf16": case.dtype == "bfloat16", "use_cpu": not torch.cuda.is_available(),
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
        "gradient_checkpointing": False, "max_length": None, "remove_unused_columns": False,
        "dataloader_pin_memory": False, "train_sampling_strategy": "sequential",
    }  # fmt: skip


def _train(trainer: Trainer) -> dict[str, Any]:
    """Train; return the costs of the steps after the first, which warms up, and what is logged."""
    costs = StepCosts()
    trainer.add_callback(costs)
    trainer.train()
    return {
        "s": sum(costs.s[1:]),
        "cpu_s": sum(costs.cpu_s[1:]),
        "step_cpu_s": [round(seconds, 2) for seconds in costs.cpu_s],
        "values": [logs["loss"] for logs in costs.logs],
        "grad_norms": [logs["grad_norm"] for logs in costs.logs],
    }
