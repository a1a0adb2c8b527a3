"""`prefloop what-if` on stored responses and scores of two iterations; there is no model."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.loop.pairing import write_pairs
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.settings.pairs import PairSettings

REWARDS = {"p": [0.5, 2.0, -1.0, 1.75], "q": [1.0, 1.0, 1.0, 1.0], "r": [0.0, 1.0, 2.0, 3.0]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path / "lake")
    message = [{"role": "user", "content": "?"}]
    prompts = [{"prompt_id": p, "prompt": message, "source": "s", "prompt_chars": 1} for p in "pqr"]
    lake.append("prompts", pl.DataFrame(prompts, schema=schema_of("prompts")))
    record(lake, "prompts", "shared", "prompts@0", {}, {})
    for iteration in (1, 2):
        key = {"experiment": "a", "iteration": iteration}
        rows = [
            {**key, "prompt_id": prompt, "response_index": n, "response": "x" * (4 - n) + str(n),
             "response_chars": 5 - n, "response_tokens": 10, "finish_reason": "stop",
             "reward": reward + iteration, "ranker": "reward_model"}
            for prompt, rewards in REWARDS.items()
            for n, reward in enumerate(rewards)
        ]  # fmt: skip
        for table in ("generations", "scores"):
            schema = schema_of(table)
            frame = pl.DataFrame(rows, schema={name: schema[name] for name in schema})
            version = lake.append(table, frame)
            record(lake, f"iteration_{iteration}/{table}", "a", f"{table}@{version}", {}, {})
        made = write_pairs(lake, PairSettings(), key, key)
        inputs = [
            "prompts",
            *(f"iteration_{iteration}/{noun}" for noun in ("generations", "scores")),
        ]
        record(
            lake, f"iteration_{iteration}/dpo_pairs", "a", f"dpo_pairs@{made.version}",
            {"pairs": PairSettings().model_dump()},
            materializations.find_output_ids(lake, inputs, "a"),
        )  # fmt: skip
    return tmp_path


def record(lake, asset, experiment, output_id, settings, inputs):
    materializations.record(
        lake, asset=asset, experiment=experiment, output_id=output_id,
        settings=json.dumps(settings), inputs=json.dumps(inputs), run_id="r", elapsed_s=0.0,
    )  # fmt: skip


def pair(home, *words):
    return prefloop(home, "what-if", *words)


def prefloop(home, *words):
    return CliRunner().invoke(app, [*words, "--home", str(home)], catch_exceptions=False)


def keys(lake, experiment):
    columns = ("iteration", "prompt_id", "chosen_response_index", "rejected_response_index")
    return lake.read("dpo_pairs", experiment=experiment).select(columns).sort(columns).rows()


def test_another_rule_makes_another_experiment_and_leaves_the_source(home):
    lake = Lake(home / "lake")
    before = keys(lake, "a")
    done = pair(home, "a", "--as", "b", "--set", "pairs.rule=best_vs_second")
    assert done.exit_code == 0, done.output
    assert keys(lake, "a") == before
    assert keys(lake, "b") == [(t, *pair) for t in (1, 2) for pair in [("p", 1, 3), ("r", 3, 2)]]
    dropped = lake.read("dropped_pairs", experiment="b").select("iteration", "prompt_id", "reason")
    assert sorted(dropped.rows()) == [(1, "q", "equal_reward"), (2, "q", "equal_reward")]
    assert not {"generations", "scores"} & {
        table for table in lake.tables() if "b" in lake.read(table).to_series(0).to_list()
    }


def test_the_record_names_what_was_read_and_how(home):
    lake = Lake(home / "lake")
    pair(home, "a/2", "--as", "b", "--set", "pairs.length_penalty=1.0")
    assert {key for key, *_ in keys(lake, "b")} == {2}
    made = materializations.read_latest(lake)["iteration_2/dpo_pairs", "b"]
    source = materializations.read_latest(lake)["iteration_2/dpo_pairs", "a"]
    assert made["inputs"] == json.dumps(json.loads(source["inputs"]), sort_keys=True)
    settings = json.loads(made["settings"])["pairs"]
    assert settings == PairSettings(length_penalty=1.0).model_dump()
    assert made["output_id"] == f"dpo_pairs@{lake.version('dpo_pairs')}"


def test_pairs_of_an_own_making_are_made_again(home):
    lake = Lake(home / "lake")
    for margin, pairs in [("1.0", 11), ("2.0", 5)]:
        words = ("--set", "pairs.rule=all_above_margin", "--set", f"pairs.min_margin={margin}")
        assert pair(home, "a/1", "--as", "b", *words).exit_code == 0
        assert len(keys(lake, "b")) == pairs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "--as", "b", "--set", "pairs.rule=best"), "pairs.rule"),
        (("a", "--as", "b", "--set", "pairs.rul=best_vs_second"), "pairs.rul"),
        (("a", "--as", "b", "--set", "dpo.beta=1"), "only settings of pairs"),
        (("a", "--as", "b", "--set", "pairs=3"), "pairs=3"),
        (("a", "--as", "b", "--set", "pairs=null"), "pairs=null"),
        (("a", "--as", "a", "--set", "pairs.min_margin=1"), "has iteration_1/generations"),
        (("a", "--as", "one_shot", "--set", "pairs.min_margin=1"), "reserved"),
        (("c", "--as", "b", "--set", "pairs.min_margin=1"), "c has no such rows"),
        (("a/3", "--as", "b", "--set", "pairs.min_margin=1"), "a has no such rows"),
    ],
)
def test_what_cannot_be_paired_is_refused(home, words, message):
    refused = pair(home, *words)
    assert refused.exit_code == 2
    assert message in refused.output + refused.stderr
    assert keys(Lake(home / "lake"), "b") == []


def test_changes_margins_and_lengths_are_printed(home):
    done = pair(home, "a/1", "--as", "b", "--set", "pairs.rule=best_vs_second")
    assert "other rejected" in done.output.replace("_", " ")
    assert "2 pairs of b, 1 prompts without one" in done.output


def test_adaptive_n_is_replayed_on_what_is_stored(home):
    done = prefloop(home, "what-if", "a/1", "--round", "2", "--enough-margin", "1.5")
    assert done.exit_code == 0, done.output
    # p is settled after two of four responses, q and r have smaller margins then
    assert "3 prompts, 3.33 of 4 responses each, 16.7% of 120 tokens saved" in done.output
    refused = prefloop(home, "what-if", "a/1", "--round", "2")
    assert refused.exit_code == 2
    assert "no prompt stops early" in refused.output + refused.stderr


def test_what_cannot_be_replayed_is_refused(home):
    assert pair(home, "a/1", "--as", "b", "--set", "pairs.min_margin=1").exit_code == 0
    for source, message in {
        "b": "0 responses, 2 pairs",  # the responses are those of experiment a
        "a@2026-11-21": "remove @2026-11-21",
    }.items():
        refused = prefloop(home, "what-if", source, "--round", "2", "--enough-margin", "1.5")
        assert refused.exit_code == 2
        assert message in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--as", "b"),
        ("--set", "pairs.min_margin=1"),
        ("--round", "2", "--as", "b", "--set", "pairs.min_margin=1"),
        ("--as", "b", "--set", "pairs.min_margin=1", "--enough-margin", "1"),
    ],
)
def test_one_question_at_a_time(home, words):
    refused = prefloop(home, "what-if", "a", *words)
    assert refused.exit_code == 2
    assert "--round N" in refused.stderr
    assert keys(Lake(home / "lake"), "b") == []
