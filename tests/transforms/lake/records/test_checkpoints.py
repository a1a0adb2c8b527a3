from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.records import checkpoints, materializations
from transforms.views.query import connect, query

STEP = {"asset": "iteration_1/policy", "experiment": "e", "settings": "{}", "inputs": "{}"}


def train(lake, checkpoint_id="c1", text="weights"):
    """Finish a training: what a step does before its materialization is recorded."""
    folder = checkpoints.workspace(lake, STEP["asset"], STEP["experiment"])
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(text)
    return checkpoints.record(
        lake,
        folder,
        iteration=1,
        checkpoint_id=checkpoint_id,
        kind="causal_lm",
        parent_id="p",
        reference_id="r",
        **STEP,
    )


def finish(lake, checkpoint_id="c1"):
    facts = {"output_id": checkpoint_id, "run_id": "run", "elapsed_s": 1.0}
    materializations.record(lake, **STEP, **facts)


@pytest.fixture
def lake(any_lake):
    return any_lake


def test_nothing_was_trained(lake):
    assert checkpoints.find_unrecorded(lake, **STEP) is None


def test_a_step_that_died_after_its_training_finds_the_checkpoint(lake):
    trained = train(lake)
    assert checkpoints.fetch(lake, checkpoints.find_unrecorded(lake, **STEP)) == trained


def test_a_finished_step_that_is_asked_for_again_trains_again(lake):
    train(lake)
    finish(lake)
    assert checkpoints.find_unrecorded(lake, **STEP) is None


@pytest.mark.parametrize("changed", ["settings", "inputs"])
def test_other_settings_or_inputs_train_again(lake, changed):
    train(lake)
    assert checkpoints.find_unrecorded(lake, **STEP | {changed: '{"other": 1}'}) is None


def test_the_same_content_replaces_a_folder_that_was_damaged(lake):
    first = train(lake)
    (first.path / "model.safetensors").write_text("w")
    second = train(lake)
    assert second.path == first.path
    assert (second.path / "model.safetensors").read_text() == "weights"


class FixedClock(datetime):
    """A host's clock that stands still."""

    at: datetime

    @classmethod
    def now(cls, tz=None):
        return cls.at


def test_the_newest_checkpoint_is_the_last_commit_whatever_the_clocks_say(lake, monkeypatch):
    monkeypatch.setattr(checkpoints, "datetime", FixedClock)
    FixedClock.at = datetime(2026, 1, 1, 12, 2, tzinfo=UTC)
    train(lake, "old")
    FixedClock.at = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)  # another host, two minutes behind
    train(lake, "new", "other weights")
    assert checkpoints.find_latest(lake, STEP["asset"], "e").checkpoint_id == "new"
    with connect(lake) as connection:
        newest = "select max_by(checkpoint_id, commit_version) as newest from checkpoints"
        assert query(connection, newest).item() == "new"


def test_a_finished_step_has_no_unrecorded_checkpoint_whatever_the_clocks_say(lake, monkeypatch):
    monkeypatch.setattr(checkpoints, "datetime", FixedClock)
    FixedClock.at = datetime(2099, 1, 1, tzinfo=UTC)
    train(lake)
    finish(lake)
    assert checkpoints.find_unrecorded(lake, **STEP) is None


def test_a_checkpoint_outside_the_lake_is_not_used(lake):
    train(lake)
    moved = lake.read("checkpoints").with_columns(path=pl.lit("../elsewhere"))
    lake.overwrite("checkpoints", moved)
    for find in (
        lambda: checkpoints.fetch(lake, checkpoints.find_unrecorded(lake, **STEP)),
        lambda: checkpoints.find_latest(lake, STEP["asset"], STEP["experiment"]),
    ):
        with pytest.raises(InputError, match="leads out of it"):
            find()
