"""The body of a training asset: a finished training is never done again because of its record."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from assets.loop import train as body
from assets.loop.left_out import example_warnings
from assets.materialize import Step
from training.runs import launch
from training.runs.run_record import METRICS, TrainingRun, write_run
from training.settings.stages import SFTSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint

SETTINGS = SFTSettings(kept_shares=(0.5,))
NONE_DROPPED = pl.DataFrame(
    schema={"row_key": pl.String, "reason": pl.String, "evidence": pl.String}
)


class Trainings:
    """Trainings that only write their folders, and their number."""

    def __init__(self) -> None:
        self.number = 0
        self.dropped = NONE_DROPPED

    def __call__(self, stage, frame, output: Path, *_, **__) -> TrainingRun:
        self.number += 1
        for folder in (output, output.with_name(f"{output.name}@0.5")):
            folder.mkdir(parents=True, exist_ok=True)
            weight = torch.tensor([float(self.number)])
            save_file({"weight": weight}, folder / "model.safetensors")
            for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
                (folder / name).write_text("{}")
        rows = [{"step": 1, "epoch": 1.0, "metric": "loss", "value": 0.5}]
        (output / "metrics.jsonl").write_text(json.dumps(rows[0]) + "\n")
        run = TrainingRun(pl.DataFrame(rows, METRICS), self.dropped, 9, 1, 1, 2.0, {"threads": 2})
        write_run(run, output)
        return run


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(launch, "launch", trainings)
    return trainings


def make_step(lake: Lake, **settings) -> Step:
    recipe = SimpleNamespace(model=SimpleNamespace(dtype="float32"), name="tiny", report_to=())
    study = SimpleNamespace(recipe=recipe, seed=lambda asset: 0)
    log = logging.getLogger("test")
    view = PinnedLake(lake.root, {})
    return Step(study, view, "sft_policy", "shared", None, log, {}, {"sft": {}, **settings})


def train(lake: Lake, **settings) -> str:
    start = Checkpoint("initial", lake.root)
    rows = pl.DataFrame({"row_key": ["a"]})
    return body.train(make_step(lake, **settings), "sft", rows, SETTINGS, start=start).output_id


class Failing:
    """A function that fails once, at a call with a given first argument; then it is called."""

    def __init__(self, function, table: str, error: BaseException) -> None:
        self.function, self.table, self.error = function, table, error

    def __call__(self, *args, **named):
        if self.error and self.table in map(str, args):
            error, self.error = self.error, None
            raise error
        return self.function(*args, **named)


FULL = InputError("the disk is full", expected="room", found="0 bytes", remedy="free some")


@pytest.mark.parametrize(
    ("method", "table"), [("overwrite", "training_metrics"), ("append", "checkpoints")]
)
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
def test_a_finished_training_whose_row_was_not_written_is_recorded_and_not_trained_again(
    tmp_path, monkeypatch, trainings, method, table, error
):
    lake = Lake(tmp_path)
    failing = Failing(getattr(Lake, method), table, error)
    monkeypatch.setattr(Lake, method, lambda *args, **named: failing(*args, **named))
    with pytest.raises(type(error)):
        train(lake)
    made = train(lake)
    assert trainings.number == 1
    rows = lake.read("checkpoints")
    assert rows["asset"].to_list().count("sft_policy") == 1
    assert set(rows["asset"]) == {"sft_policy", "sft_policy@0.5"}
    for asset in rows["asset"]:
        assert checkpoints.find_latest(lake, asset, "shared").path.is_dir()
    assert checkpoints.find_latest(lake, "sft_policy", "shared").checkpoint_id == made
    assert lake.read("training_metrics")["value"].to_list() == [0.5]
    assert set(rows["environment"]) == {'{"threads": 2}'}


def test_a_row_that_fails_after_the_kept_weights_were_recorded_is_written_later(
    tmp_path, monkeypatch, trainings
):
    record = checkpoints.record
    rows = []

    def fail_second(lake, folder, **row):
        rows.append(row)
        if len(rows) == 2:
            raise KeyboardInterrupt
        return record(lake, folder, **row)

    monkeypatch.setattr(checkpoints, "record", fail_second)
    with pytest.raises(KeyboardInterrupt):
        train(Lake(tmp_path))
    train(Lake(tmp_path))
    assert trainings.number == 1
    assert sorted(Lake(tmp_path).read("checkpoints")["asset"]) == ["sft_policy", "sft_policy@0.5"]


def test_other_settings_or_a_damaged_folder_are_trained_again(tmp_path, monkeypatch, trainings):
    lake, save = Lake(tmp_path), checkpoints.record

    def interrupt(*args, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(lake)
    with pytest.raises(KeyboardInterrupt):
        train(lake, mixture="other")
    assert trainings.number == 2
    weights = checkpoints.workspace(lake, "sft_policy", "shared") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr(checkpoints, "record", save)
    train(lake, mixture="other")
    assert trainings.number == 3


@pytest.mark.parametrize(("dropped", "warns"), [(0, False), (1, True)])
def test_a_tenth_of_the_examples_left_out_is_a_warning(tmp_path, trainings, dropped, warns):
    row = {"row_key": "a", "reason": "too_long", "evidence": "200"}
    trainings.dropped = pl.DataFrame([row] * dropped, schema=NONE_DROPPED.schema)
    lake = Lake(tmp_path)
    train(lake)
    check = example_warnings()
    found = check.find(make_step(lake))
    assert set(found) == ({*check.checks} if warns else set())
    assert not warns or found["most_examples_kept"].startswith("1 of 10 examples are left out")
