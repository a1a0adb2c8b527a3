"""A lake's records, written by hand: two experiments share pi_0 and the reward model."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

INITIAL, SFT, REWARD, ONE, TWO = ("1111111a", "2222222b", "3333333c", "4444444d", "4444444e")
START = datetime(2026, 1, 1, tzinfo=UTC)

TABLES = [
    ("raw_chat", "shared", "raw_chat@0", {}),
    ("demonstrations", "shared", "demonstrations@0", {"raw_chat": "raw_chat@0"}),
    ("preference_pairs", "shared", "preference_pairs@0", {"raw_chat": "raw_chat@0"}),
    ("iteration_1/generations", "a", "generations@1", {"sft_policy": SFT}),
    ("iteration_1/scores", "a", "scores@0",
     {"iteration_1/generations": "generations@1", "reward_model": REWARD}),
    ("iteration_1/dpo_pairs", "a", "dpo_pairs@0",
     {"iteration_1/generations": "generations@1", "iteration_1/scores": "scores@0"}),
    ("iteration_2/generations", "a", "generations@3", {"iteration_1/policy": ONE}),
    ("iteration_2/dpo_pairs", "a", "dpo_pairs@2", {"iteration_2/generations": "generations@3"}),
]  # fmt: skip
MODELS = [
    # asset, experiment, iteration, id, parent, reference, inputs
    ("initial_model", "shared", 0, INITIAL, "", "", {}),
    ("sft_policy", "shared", 0, SFT, INITIAL, "",
     {"initial_model": INITIAL, "demonstrations": "demonstrations@0"}),
    ("reward_model", "shared", 0, REWARD, SFT, "",
     {"sft_policy": SFT, "preference_pairs": "preference_pairs@0"}),
    ("iteration_1/policy", "a", 1, ONE, SFT, SFT,
     {"sft_policy": SFT, "iteration_1/dpo_pairs": "dpo_pairs@0"}),
    ("iteration_1/policy", "b", 1, ONE, SFT, SFT,
     {"sft_policy": SFT, "iteration_1/dpo_pairs": "dpo_pairs@9"}),
    ("iteration_2/policy", "a", 2, TWO, ONE, SFT,
     {"sft_policy": SFT, "iteration_1/policy": ONE, "iteration_2/dpo_pairs": "dpo_pairs@2"}),
]  # fmt: skip


def record_tables() -> dict[str, pl.DataFrame]:
    """The tables `materializations` and `checkpoints`, rows in the order of their making."""
    made = [(asset, experiment, own, inputs) for asset, experiment, own, inputs in TABLES]
    made += [(asset, experiment, own, inputs) for asset, experiment, _, own, *_, inputs in MODELS]
    materializations = [
        {
            "asset": asset,
            "experiment": experiment,
            "output_id": own,
            "inputs": json.dumps(inputs),
            "settings": json.dumps({"of": asset, "dpo": {"beta": 0.1}}),
            "run_id": "00000000-0000-0000-0000-00000000000a",
            "elapsed_s": 2.0,
            "created_at": START + timedelta(minutes=minute),
            "commit_version": minute,
        }
        for minute, (asset, experiment, own, inputs) in enumerate(made)
    ]
    checkpoints = [
        {
            "asset": asset,
            "experiment": experiment,
            "iteration": iteration,
            "checkpoint_id": own,
            "parent_id": parent,
            "reference_id": reference,
            "kind": "causal_lm",
            "inputs": json.dumps(inputs),
            "settings": json.dumps({"of": asset, "dpo": {"beta": 0.1}}),
            "path": f"checkpoints/{own}",
            "created_at": START + timedelta(minutes=minute + len(TABLES)),
            "commit_version": minute,
        }
        for minute, (asset, experiment, iteration, own, parent, reference, inputs) in enumerate(
            MODELS
        )
    ]
    return {
        "materializations": pl.DataFrame(materializations, schema=schema_of("materializations")),
        "checkpoints": pl.DataFrame(checkpoints, schema=schema_of("checkpoints")),
    }


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The records, and rows of one prompt."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for table, rows in record_tables().items():
        lake.append(table, rows)
    key = {"experiment": "a", "iteration": 1}
    turn = [{"role": "assistant", "content": "yes"}]
    rows = {
        "generations": [
            {**key, "prompt_id": prompt, "response_index": n, "policy_id": SFT, "response": text}
            for prompt in ("abc1", "abd2")
            for n, text in enumerate(("yes", "no"))
        ],
        "scores": [
            {**key, "prompt_id": "abc1", "response_index": n, "reward": 1.0 - n,
             "ranker": "reward_model", "ranker_id": REWARD}
            for n in (0, 1)
        ],
        "dpo_pairs": [
            {**key, "prompt_id": "abc1", "chosen": turn, "margin": 1.0,
             "chosen_response_index": 0, "rejected_response_index": 1},
            *({**key, "iteration": 2, "prompt_id": "abc1", "chosen": turn, "margin": margin,
               "chosen_response_index": 2, "rejected_response_index": index}
              for index, margin in enumerate((0.5, 1.5))),
        ],
        "preference_pairs": [{"pair_id": "fedcba98", "source": "chat"}, {"pair_id": "fedcba11"},
                             {"pair_id": "4444444f"}],
    }  # fmt: skip
    for table, frame in rows.items():
        lake.append(table, pl.DataFrame(frame, schema=schema_of(table)))
    return lake
