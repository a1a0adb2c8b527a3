import json

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.model_facts import collect_facts, hide_folders

ROW = {"experiment": "e", "asset": "iteration_1/policy", "checkpoint_id": "c1"}
STEPS = [
    {"asset": "reward_model", "output_id": "r1"},
    {"asset": "iteration_1/dpo_pairs", "output_id": "dpo_pairs@3"},
    {"asset": "iteration_1/policy", "output_id": "c1"},
]


def write(lake: Lake, table: str, *rows: dict[str, object]) -> None:
    lake.append(table, pl.DataFrame(list(rows), schema=schema_of(table)))


def test_facts_are_those_of_the_model_and_of_its_steps(tmp_path) -> None:
    lake = Lake(tmp_path)
    result = {
        "experiment": "e", "iteration": 1, "model": "iteration_1/policy", "policy_id": "c1",
        "split": "evaluation", "decoding": "sampled", "metric": "reward", "value": 0.5,
        "standard_error": 0.1, "prompts": 9,
    }  # fmt: skip
    others = [{"policy_id": "c0"}, {"split": "validation"}, {"experiment": "f"}]
    write(lake, "evaluation_results", result, *({**result, **other} for other in others))
    bench = {
        "bench": "reward_bench", "model": "reward_model", "model_id": "r1", "level": "section",
        "metric": "pair_accuracy", "name": "chat", "value": 90.0, "standard_error": 1.0, "pairs": 8,
    }  # fmt: skip
    write(lake, "reward_bench_results", bench, {**bench, "model_id": "r2"})
    trained = {"iteration": 1, "step": 4, "epoch": 1.0, "metric": "loss", "value": 0.25}
    own = {"experiment": "e", "asset": "iteration_1/policy"}
    write(
        lake,
        "training_metrics",
        {**own, **trained},
        {**own, **trained, "experiment": "f"},
        {**own, **trained, "asset": "iteration_2/policy"},
    )
    cost = {"asset": "iteration_1/dpo_pairs", "experiment": "e", "rows": 7}
    write(lake, "costs", {**cost, "output_id": "dpo_pairs@3"}, {**cost, "output_id": "c1"})
    facts = collect_facts(lake, ROW, STEPS)
    assert facts["results"] == [
        {"decoding": "sampled", "metric": "reward", "versus": None, "value": 0.5,
         "standard_error": 0.1, "prompts": 9}
    ]  # fmt: skip
    assert [row["model"] for row in facts["labelled_pairs"]] == ["reward_model"]
    assert [(row["asset"], row["loss"]) for row in facts["trainings"]] == [
        ("iteration_1/policy", 0.25)
    ]
    assert facts["rows"] == {"dpo_pairs@3": 7}
    assert facts["benchmarks"] == []
    json.dumps(facts)


def test_a_record_has_no_folder_of_the_machine() -> None:
    record = {
        "model": {"path": "/home/me/models/llama"},
        "files": ["/data/a.json", "b.json"],
        "n": 1,
    }
    assert hide_folders(record) == {
        "model": {"path": "llama"}, "files": ["a.json", "b.json"], "n": 1,
    }  # fmt: skip
