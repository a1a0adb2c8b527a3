"""What the dress rehearsal must have made: every function returns the problems that it found.

Not here: the checks of the lake itself, which stop a run (`sql/checks`).
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import torch
from safetensors import safe_open

from training.recipe import Recipe
from training.runs.run_record import TrainingRun, read_run
from transforms.lake.lake import Lake

EXPECTED_REASONS = {
    "demonstrations": {"role_order", "empty_turn", "held_out_prompt"},
    "preference_pairs": {
        *("duplicate_pair", "empty_turn", "held_out_prompt", "identical_response", "missing_score"),
        *("missing_value", "prompt_limit", "repeated_model", "score_ratio", "tie"),
    },
    "prompts": {"contaminated", "duplicate_prompt", "near_duplicate"},
    "prompt_splits": {"over_cap", "reward_validation", "too_long"},
}
"""Reasons in the ledger by table. The made-up rows have every one of these faults."""
TRAINED_REASONS = {"too_long", "equal_tokens"}
"""Reasons for which a training drops examples."""

EQUAL_MARGIN = 0.05
"""Bound of the first reward margin (beta times nats) of a policy that starts as its reference. The
two differ by rounding in bfloat16, about 0.01 here. Rounded sums are found by their type, in the
first step of a training (`training.runs.precision`)."""
MEAN_LOSS = (0.6, 0.78)
"""Bounds of a pair loss before anything is learned; log 2 is 0.693."""


def find_problems(recipe: Recipe, lake: Lake) -> list[str]:
    """Return the problems of a finished rehearsal, one line each."""
    checks = (
        find_dropped_problems,
        find_response_problems,
        find_reward_problems,
        find_training_problems,
        find_checkpoint_problems,
        find_evaluation_problems,
    )
    return [problem for check in checks for problem in check(recipe, lake)]


def find_dropped_problems(_: Recipe, lake: Lake) -> Iterator[str]:
    """Compare the reasons of the ledger with the faults of the made-up rows."""
    ledger = lake.read("dropped_rows")
    for table, expected in EXPECTED_REASONS.items():
        found = set(ledger.filter(table=table)["reason"])
        if found != expected:
            yield (
                f"dropped rows of {table}: unexpected {sorted(found - expected)}, missing"
                f" {sorted(expected - found)}"
            )
    trained = set(ledger.filter(~pl.col("table").is_in([*EXPECTED_REASONS]))["reason"])
    if not trained <= TRAINED_REASONS:
        yield f"dropped examples: unexpected {sorted(trained - TRAINED_REASONS)}"


def find_response_problems(recipe: Recipe, lake: Lake) -> Iterator[str]:
    """Check that all replicas sampled n responses per prompt, and that responses end."""
    sampling = recipe.loop.sampling
    slices = lake.read("generations").group_by("experiment", "iteration", maintain_order=True)
    for (experiment, iteration), rows in slices:
        name = f"generations of {experiment}, iteration {iteration}"
        if rows["seed"].n_unique() != recipe.devices.replicas:
            yield f"{name}: {rows['seed'].n_unique()} seeds, {recipe.devices.replicas} replicas"
        if set(rows.group_by("prompt_id").len()["len"]) != {sampling.n}:
            yield f"{name}: not {sampling.n} responses per prompt"
        if rows["response_tokens"].max() > sampling.max_tokens:
            yield f"{name}: a response has more than {sampling.max_tokens} tokens"
        stopped = (rows["finish_reason"] == "stop").mean()
        if stopped < 0.9:
            yield f"{name}: {stopped:.0%} of the responses end, 90 % or more expected"


def find_reward_problems(_: Recipe, lake: Lake) -> Iterator[str]:
    """Check that rewards are float32, not rounded to bfloat16."""
    for table in ("scores", "evaluation_responses"):
        rewards = torch.tensor(lake.read(table)["reward"].to_list(), dtype=torch.float64)
        rounded = (rewards == rewards.to(torch.bfloat16)).double().mean().item()
        if not rewards.isfinite().all():
            yield f"{table}: a reward is not finite"
        if rounded > 0.1:
            yield f"{table}: {rounded:.0%} of the rewards are bfloat16 numbers"


def find_training_problems(recipe: Recipe, lake: Lake) -> Iterator[str]:
    """Check processes, number of steps and first loss of every training."""
    for row, run in read_runs(lake):
        name = f"{row['asset']} of {row['experiment']}"
        processes = run.environment["processes"]
        if processes != recipe.sft.processes:
            yield f"{name}: {processes} processes"
        if not run.examples:
            yield f"{name}: no examples"
        first = dict(run.metrics.filter(step=1).select("metric", "value").rows())
        if "margin" not in first and "rewards/margins" not in first:
            continue
        if not MEAN_LOSS[0] <= first["loss"] <= MEAN_LOSS[1]:
            yield f"{name}: the first loss is {first['loss']:.4f}"
        margin = first.get("rewards/margins", 0.0)
        if row["parent_id"] == row["reference_id"] and abs(margin) > EQUAL_MARGIN:
            yield f"{name}: starts as its reference, but the first margin is {margin:.4f}"


def find_checkpoint_problems(recipe: Recipe, lake: Lake) -> Iterator[str]:
    """Check that trained weights are float32 and finite, and the initial ones bfloat16."""
    for row in lake.read("checkpoints").iter_rows(named=True):
        trained = row["parent_id"] != ""
        expected = "torch.float32" if trained else f"torch.{recipe.model.dtype}"
        yield from find_weight_problems(lake.root / row["path"], expected)


def find_weight_problems(folder: Path, dtype: str) -> Iterator[str]:
    """Check the weights of a model folder: their type, and that they are finite."""
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                weight = weights.get_tensor(name)
                if str(weight.dtype) != dtype or not weight.isfinite().all():
                    yield f"{folder.name}: {name} is {weight.dtype} or not finite, not {dtype}"
                    break


def find_evaluation_problems(recipe: Recipe, lake: Lake) -> Iterator[str]:
    """Check that every policy is evaluated and one is selected per experiment."""
    models = lake.read("evaluation_results").group_by("experiment").agg(pl.col("model").unique())
    by_experiment = dict(models.rows())
    for experiment in recipe.experiments:
        found = len(by_experiment.get(experiment, []))
        if found < recipe.loop.iterations:
            yield f"evaluation of {experiment}: {found} models"
    selected = set(lake.read("selected_policies")["experiment"])
    if selected != {*recipe.experiments}:
        yield f"selected policies: {sorted(selected)}"


def read_runs(lake: Lake) -> Iterator[tuple[dict, TrainingRun]]:
    """Read the rows of trained checkpoints and the records of their runs, in order."""
    for row in lake.read("checkpoints").iter_rows(named=True):
        if row["parent_id"]:
            yield row, read_run(lake.root / row["path"])


def summarize_trainings(lake: Lake) -> pl.DataFrame:
    """List the trainings: examples, dropped examples, steps, first and last loss."""
    rows = []
    for row, run in read_runs(lake):
        losses = run.metrics.filter(metric="loss").sort("step")["value"]
        rows.append(
            {
                "experiment": row["experiment"],
                "asset": row["asset"],
                "examples": run.examples,
                "dropped": run.dropped.height,
                "steps": run.steps,
                "first_loss": losses[0],
                "last_loss": losses[-1],
                "seconds": run.elapsed_s,
            }
        )
    return pl.DataFrame(rows)
