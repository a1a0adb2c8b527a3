"""A tiny policy made once a session, rows to train it on, and a Ray cluster."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: no test asks the hub
# before torch is imported: threads that spin at barriers make a busy machine ten times slower
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import polars as pl
import pytest

from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from training.settings.rewards.reward import RewardSettings
from training.settings.rewards.weighted_reward import WeightedReward
from transforms.lake.schemas.table import MESSAGES

RAY = {
    "RAY_memory_monitor_refresh_ms": "0",  # else Ray ends processes on a machine with full memory
    "RAY_num_prestart_python_workers": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
}


COLOURS = ["red", "green", "blue", "grey"]
THINGS = ["cat", "dog", "tree"]


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


@pytest.fixture(scope="session")
def tiny_settings() -> TinyModelSettings:
    return TinyModelSettings(
        vocab_size=64, hidden_size=64, intermediate_size=64, layers=1, heads=2, context_tokens=64
    )


@pytest.fixture(scope="session")
def demonstrations() -> pl.DataFrame:
    """Twelve conversations: row_key, messages."""
    messages = [
        turn("user", f"name a {colour} {thing}") + turn("assistant", f"the {thing} is {colour} .")
        for colour in COLOURS
        for thing in THINGS
    ]
    return pl.DataFrame(
        {"row_key": [f"row-{i}" for i in range(len(messages))], "messages": messages},
        schema={"row_key": pl.String, "messages": MESSAGES},
    )


@pytest.fixture(scope="session")
def preference_pairs() -> pl.DataFrame:
    """Eight comparisons, the short answer chosen: pair_id, prompt_id, prompt, chosen, rejected."""
    cases = [(colour, thing) for colour in COLOURS for thing in THINGS[:2]]
    return pl.DataFrame(
        {
            "pair_id": [f"pair-{i}" for i in range(len(cases))],
            "prompt_id": [f"prompt-{i}" for i in range(len(cases))],
            "prompt": [turn("user", f"name a {colour} {thing}") for colour, thing in cases],
            "chosen": [turn("assistant", f"the {thing} .") for _, thing in cases],
            "rejected": [
                turn("assistant", f"is {colour} the {thing} {colour}") for colour, thing in cases
            ],
        },
        schema={"pair_id": pl.String, "prompt_id": pl.String}
        | dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES),
    )


@pytest.fixture(scope="session")
def equal_sides(preference_pairs) -> pl.DataFrame:
    """Eight comparisons; the sides of pair-2 differ only in white space, not in their tokens."""
    chosen = preference_pairs["chosen"].to_list()
    text = preference_pairs["rejected"][2][0]["content"]
    chosen[2] = turn("assistant", f"{text} \n")
    return preference_pairs.with_columns(
        chosen=pl.Series(chosen, dtype=preference_pairs.schema["chosen"])
    )


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory, tiny_settings, demonstrations) -> Path:
    """A one-layer Llama with random weights; tests read it and never write into it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def other_policy(tmp_path_factory, tiny_settings, demonstrations) -> Path:
    """The same model from another seed."""
    folder = tmp_path_factory.mktemp("models") / "other"
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), folder, seed=1)
    return folder


@pytest.fixture
def prepare_stage(demonstrations, preference_pairs, tiny_policy, other_policy, tmp_path):
    """Prepare a training of a stage from the tiny policy: call the result with an output folder."""
    from transformers import AutoModelForSequenceClassification

    from training.reference_logps import add_reference_logps
    from training.settings.sampling import SamplingSettings
    from training.stages import STAGES
    from transforms.pairs.objectives import OBJECTIVES

    def prepare(stage, *, reference=other_policy, dtype="float32", **changed):
        rows, models = preference_pairs, {}
        if stage == "rloo":
            changed |= {"batch_size": 8, "micro_batch_size": 4}
            changed["sampling"] = SamplingSettings(n=4, max_tokens=8)
            rows = preference_pairs.select("prompt_id", "prompt")
            models, reward_model = {"reference": reference}, tmp_path / "reward_model"
            shutil.copytree(tiny_policy, reward_model)
            AutoModelForSequenceClassification.from_pretrained(
                tiny_policy, num_labels=1
            ).save_pretrained(reward_model)
            reward = RewardSettings(path=str(reward_model))
            changed["rewards"] = {"reward_model": WeightedReward(reward=reward)}
        elif stage == "preference_model":
            changed["packing"] = False
        elif stage == "sft":
            rows = demonstrations
        elif stage in ("kto", "raft"):
            rows = preference_pairs.rename({"chosen": "completion"})
        settings = STAGES[stage].settings(**changed)
        objective = OBJECTIVES.get(stage)
        if objective is not None and objective.sides:
            rows = rows.with_columns(label=pl.int_range(pl.len()) % 2 == 0)
            rows = objective.complete_rows(rows, settings.micro_batch_size, 0)
            rows = add_reference_logps(
                rows, tiny_policy, reference, settings, dtype=dtype, sides=objective.sides
            ).pairs
        return partial(
            STAGES[stage].load(),
            rows,
            tiny_policy,
            settings=settings,
            seed=0,
            dtype=dtype,
            **models,
        )

    return prepare


@pytest.fixture(scope="module")
def ray_nodes() -> Iterator[list[Any]]:
    """The two nodes of a Ray cluster, with one CPU each; its address is in RAY_ADDRESS."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        memory = {"object_store_memory": 100 << 20}
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False} | memory,
        )
        nodes = [cluster.add_node(num_cpus=1, **memory) for _ in range(2)]
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield nodes
        ray.shutdown()
        cluster.shutdown()
