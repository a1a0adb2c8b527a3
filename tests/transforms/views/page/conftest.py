"""A lake small enough to read: two experiments of two iterations, three prompts, literal rows."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.measures import evaluation
from transforms.views.page.opened_lake import Source, open_source

EXPERIMENTS = {"concise": 0.01, "iterative": 0.0}
"""Experiments and their length penalties."""
ITERATIONS = (1, 2)
PROMPTS = ("p0", "p1", "p2")
SCRIPT = "<script>alert('no')</script> & \"quoted\""
"""An answer that a page must not take for its own text."""

Row = dict[str, Any]


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def at(minute: int) -> datetime:
    return datetime(2026, 1, 2, 3, tzinfo=UTC) + timedelta(minutes=minute)


def policies(seed: int) -> Iterator[tuple[str, int, str, str, float]]:
    """Experiment, iteration, asset, checkpoint and quality of every policy."""
    yield SHARED, 0, "sft_policy", f"{seed}aaaaaaaaaaaaaaa", 0.0
    yield SHARED, 0, "offline_dpo", f"{seed}bbbbbbbbbbbbbbb", 0.5
    for experiment in EXPERIMENTS:
        for t in ITERATIONS:
            asset = f"iteration_{t}/policy"
            yield experiment, t, asset, f"{seed}{experiment[0]}{t}" + 12 * "c", 0.6 * t + seed


def sampled_rows() -> tuple[list[Row], list[Row], list[Row]]:
    """Generations, scores, pairs: three responses a prompt, the longer the better."""
    generations, scores, pairs = [], [], []
    for experiment in EXPERIMENTS:
        for t in ITERATIONS:
            for number, prompt_id in enumerate(PROMPTS):
                key = {"experiment": experiment, "iteration": t, "prompt_id": prompt_id}
                for index in range(3):
                    chars = 10 + 5 * index * (number + 1)
                    reward = 0.1 * chars + t + (0.3 if index == 1 else 0.0)
                    generations.append(
                        {**key, "response_index": index, "response": "x" * chars,
                         "response_chars": chars, "response_tokens": chars // 4,
                         "finish_reason": "length" if index == 2 else "stop"}
                    )  # fmt: skip
                    scores.append(
                        {**key, "response_index": index, "ranker": "reward_model",
                         "ranker_id": "r" * 16, "reward": reward}
                    )  # fmt: skip
                pairs.append(
                    {**key, "chosen": turn("assistant", "yes"), "margin": 1.0 + number,
                     "rejected": turn("assistant", "no"), "rule": "best_vs_worst"}
                )  # fmt: skip
    return generations, scores, pairs


def evaluated_rows(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Evaluation responses of every policy, and what `transforms.measures` makes of them."""
    frames = {}
    for experiment, t, model, policy_id, quality in policies(seed):
        rows = [
            {"experiment": experiment, "iteration": t, "model": model, "policy_id": policy_id,
             "split": split, "decoding": decoding, "prompt_id": prompt_id, "response_index": 0,
             "response": SCRIPT if model == "sft_policy" else f"answer of {model}",
             "response_tokens": 4 + t, "response_chars": 20 + 3 * t + number,
             "finish_reason": "stop", "reward": quality + 0.1 * number,
             "gold_reward": quality / 2 + 0.2 * number * (t + 1), "policy_logp": -3.0 + t,
             "reference_logp": -3.0, "kl_to_initial": float(t)}
            for split in ("validation", "evaluation")
            for decoding in ("sampled", "greedy")
            for number, prompt_id in enumerate(PROMPTS)
        ]  # fmt: skip
        frames[experiment, t, model] = pl.DataFrame(rows, schema=schema_of("evaluation_responses"))
    results = []
    for (experiment, t, model), rows in frames.items():
        parts = [evaluation.summarise(rows)]
        for other in ("sft_policy", "offline_dpo"):
            if other != model and (SHARED, other) != (experiment, model) and model != "sft_policy":
                parts.append(evaluation.contrast(rows, frames[SHARED, 0, other]))
        results.append(
            pl.concat(parts).select(
                pl.lit(experiment).alias("experiment"),
                pl.lit(t, pl.Int32).alias("iteration"),
                pl.all(),
            )
        )
    columns = list(schema_of("evaluation_results"))
    return pl.concat(frames.values()), pl.concat(results).select(columns)


def made_rows(seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Checkpoints, materializations, costs."""
    checkpoints, materializations, costs = [], [], []
    for minute, (experiment, t, asset, own, _) in enumerate(policies(seed)):
        first = f"{seed}aaaaaaaaaaaaaaa"
        inputs = {} if asset == "sft_policy" else {"sft_policy": first}
        if t:
            inputs[f"iteration_{t}/dpo_pairs"] = f"dpo_pairs@{t}"
        checkpoints.append(
            {"experiment": experiment, "iteration": t, "asset": asset, "checkpoint_id": own,
             "kind": "causal_lm", "parent_id": "" if asset == "sft_policy" else first,
             "reference_id": first if t else "", "path": f"checkpoints/{own}",
             "settings": json.dumps({"dpo": {"learning_rate": 0.1}} if t else {"seed": seed}),
             "inputs": json.dumps(inputs), "created_at": at(minute),
             "commit_version": minute}
        )  # fmt: skip
        made = {"asset": asset, "experiment": experiment, "output_id": own, "run_id": "run",
                "elapsed_s": 2.5, "created_at": at(minute), "commit_version": minute}  # fmt: skip
        materializations.append({**made, "settings": "{}", "inputs": json.dumps(inputs)})
        costs.append({**made, "rows": 10, "tokens": 100 if t else None, "bytes": 2_000_000})
        if t:
            pairs = {"pairs": {"length_penalty": EXPERIMENTS[experiment], "length_unit": "chars"}}
            materializations.append(
                {**made, "asset": f"iteration_{t}/dpo_pairs", "output_id": f"dpo_pairs@{t}",
                 "settings": json.dumps(pairs), "inputs": json.dumps({"sft_policy": first})}
            )  # fmt: skip
    return checkpoints, materializations, costs


def build_lake(root: Path, seed: int = 0) -> Lake:
    """Write the tables; `seed` changes the models and what they reach."""
    lake = Lake(root)
    generations, scores, pairs = sampled_rows()
    responses, results = evaluated_rows(seed)
    checkpoints, materializations, costs = made_rows(seed)
    prompts = [
        {"prompt_id": name, "source": "s", "prompt": turn("user", f"question {name} <b>")}
        for name in PROMPTS
    ]
    tables: dict[str, pl.DataFrame | list[Row]] = {
        "generations": generations,
        "scores": scores,
        "dpo_pairs": pairs,
        "evaluation_responses": responses,
        "evaluation_results": results,
        "selected_policies": evaluation.select_policies(results, "gold_reward"),
        "checkpoints": checkpoints,
        "materializations": materializations,
        "costs": costs,
        "prompts": prompts,
        "prompt_splits": [{"prompt_id": name, "split": "evaluation"} for name in PROMPTS],
        "promotions": [
            {
                "experiment": "iterative",
                "iteration": 2,
                "model": "iteration_2/policy",
                "policy_id": f"{seed}i2" + 12 * "c",
                "current_id": f"{seed}aaaaaaaaaaaaaaa",
                "promoted": False,
                "reason": "gsm8k falls by 4 points",
                "metric": "win_rate_gold",
                "advantage": 0.25,
                "low": 0.125,
                "high": 0.375,
                "created_at": at(9),
            }
        ],
        "dropped_rows": [
            {"table": "prompts", "source": "s", "row_key": "1", "reason": "near_duplicate"}
        ],
    }
    for table, rows in tables.items():
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema_of(table))
        lake.overwrite(table, frame)
    return lake


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return build_lake(tmp_path_factory.mktemp("page") / "lake")


@pytest.fixture(scope="session")
def make_lake() -> Callable[..., Lake]:
    return build_lake


@pytest.fixture
def source(small_lake: Lake) -> Iterator[Source]:
    with open_source("small", small_lake) as opened:
        yield opened
