"""The rows that each objective reads, and their number."""

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.objectives import OBJECTIVES, TrainedPart
from transforms.settings.pairs import PairSettings


class Rule:
    rule = "best_and_worst"


@pytest.mark.parametrize(
    ("name", "iteration_tables", "shared_tables"),
    [
        ("dpo", ("dpo_pairs",), ()),
        ("kto", ("generations", "scores"), ("prompts",)),
        ("raft", ("generations", "scores"), ("prompts",)),
        ("rloo", (), ("prompts", "prompt_splits")),
    ],
)
def test_tables_of_an_iteration_and_of_all(name, iteration_tables, shared_tables):
    objective = OBJECTIVES[name]
    assert objective.iteration_tables == iteration_tables
    assert objective.shared_tables == shared_tables
    assert objective.reads_scores == ("scores" in iteration_tables)


@pytest.mark.parametrize(("name", "rows"), [("dpo", 3), ("kto", 2), ("raft", 1), ("rloo", 8)])
def test_rows_of_a_prompt_with_8_responses_and_3_pairs(name, rows):
    assert OBJECTIVES[name].rows_per_prompt(8, 3, Rule) == rows


def test_prompts_are_those_of_the_named_splits_or_of_every_iteration(tmp_path):
    lake = Lake(tmp_path)
    splits = {"b": "iteration_1", "a": "iteration_2", "c": "evaluation"}
    lake.overwrite(
        "prompt_splits", pl.DataFrame({"prompt_id": list(splits), "split": list(splits.values())})
    )
    turn = [{"role": "user", "content": "x"}]
    rows = [
        {"prompt_id": name, "source": "s", "prompt": turn, "prompt_chars": 1} for name in splits
    ]
    lake.overwrite("prompts", pl.DataFrame(rows, schema=schema_of("prompts")))

    def read(*names):
        part = TrainedPart("e", [1], PairSettings(), settings=None, splits=names)
        return OBJECTIVES["rloo"].read_rows(lake, part)[0]["prompt_id"].to_list()

    assert read("iteration_1") == ["b"]
    assert read() == ["a", "b"]
