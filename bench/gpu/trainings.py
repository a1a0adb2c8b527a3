"""Training stages of the GPU check: a few steps, their metrics, the checkpoint; also FSDP.

Importing this module loads no torch. Not here: the other stages (`bench.gpu.stages`).
"""

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from bench.gpu.cases import Case, Measured
from training.settings.objectives import DPOSettings
from training.settings.stages import RewardModelSettings, SFTSettings

FSDP = Path(__file__).resolve().parents[2] / "recipes/accelerate/fsdp.yaml"


def _choose_training(
    stage: str, case: Case, processes: int
) -> tuple[Any, dict[str, Path], list[str]]:
    """Return the settings, models (by parameter) and compared metrics of a training stage."""
    batch = 2 * case.micro_batch  # two forward passes per step, or two processes
    shared = {
        "max_steps": case.steps,
        "batch_size": batch,
        "micro_batch_size": case.micro_batch,
        "max_tokens": case.context_tokens,
        "logging_steps": 1,
        "warmup_ratio": 0.0,
        "processes": processes,
    }
    if stage == "sft":
        return SFTSettings(learning_rate=1e-4, **shared), {"model": Path("initial")}, ["loss"]
    if stage == "reward_model":
        settings = RewardModelSettings(learning_rate=1e-4, **shared)
        return settings, {"policy": Path("initial")}, ["loss", "margin", "mean_reward"]
    models = {"start": Path("start")}
    compared = ["loss", "rewards/margins", "logps/chosen"]
    return DPOSettings(learning_rate=1e-5, **shared), models, compared


def run_training(
    stage: str,
    case: Case,
    folder: Path,
    dtype: str,
    *,
    processes: int = 1,
    even: bool = False,
    **changed: Any,
) -> Measured:
    """Train with `launch` and `changed` settings; return the metrics of every step.

    The saved folder is checked, too.
    """
    from training.runs.launch import launch

    settings, models, compared = _choose_training(stage, case, processes)
    rows = {"sft": "demonstrations"}.get(stage, "even_pairs" if even else "pairs")
    output = folder / f"trained-{stage}-{dtype}"
    frame = pl.read_parquet(folder / f"{rows}.parquet")
    if stage == "dpo":
        from training.reference_logps import add_reference_logps

        start, reference = folder / models["start"], folder / "initial"
        frame = add_reference_logps(frame, start, reference, settings, dtype=dtype).pairs
    run = launch(
        stage,
        frame,
        output,
        settings.model_copy(update=changed),
        seed=0,
        dtype=dtype,
        **{name: folder / model for name, model in models.items()},
    )
    return _collect_metrics(run, output, case, compared)


def run_fsdp(case: Case, folder: Path, dtype: str) -> Measured:
    """Run DPO with `accelerate launch` and recipes/accelerate/fsdp.yaml, on one or two GPUs."""
    import torch

    processes = min(2, torch.cuda.device_count())
    return run_training(
        "dpo", case, folder, dtype, processes=processes, even=True, accelerate_config=str(FSDP)
    )


def _collect_metrics(run: Any, output: Path, case: Case, compared: list[str]) -> Measured:
    """Collect the metrics of a training run; refuse a checkpoint that is not complete float32."""
    from safetensors import safe_open

    from training.models.checkpoint import hash_checkpoint, require_model

    require_model(output)
    hash_checkpoint(output)
    for file in output.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                weight = weights.get_tensor(name)
                if str(weight.dtype) != "torch.float32" or not weight.isfinite().all():
                    raise ValueError(f"{file.name}: {name} is {weight.dtype}, or not finite")
    shutil.rmtree(output)
    by_step = {
        name: run.metrics.filter(metric=name).sort("step")["value"].to_list() for name in compared
    }
    (rate,) = run.metrics.filter(metric="train_steps_per_second")["value"]
    (tokens,) = run.metrics.filter(metric="num_tokens").sort("step")["value"].tail(1)
    figures = {"steps_per_s": rate, "tokens_per_s": tokens * rate / case.steps}
    return by_step, figures
