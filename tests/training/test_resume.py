"""A killed training goes on from its last step checkpoint, to the weights it would have had."""

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest

from training.models.checkpoint import hash_checkpoint
from training.runs.step_checkpoints import COMPLETE, find_last
from training.settings.stages import SFTSettings
from training.sft import train_sft

SHARED = {
    "learning_rate": 1e-2,
    "epochs": 6,
    "batch_size": 4,
    "micro_batch_size": 2,  # two forward passes a step
    "max_tokens": 64,
    "logging_steps": 2,
    "checkpoint_steps": 3,  # every fourth step: the next that is logged
}
SETTINGS = SFTSettings(**SHARED)  # 12 conversations: three steps an epoch, 18 in all

KILLED_AT_STEP_10 = """
import sys, time
from pathlib import Path
import polars as pl
from training.settings.stages import SFTSettings
from training.sft import train_sft

def report(step, total_steps, metrics):
    print(step, flush=True)
    if step == 10:
        time.sleep(600)

rows, model, output, settings = sys.argv[1:]
train_sft(
    pl.read_parquet(rows), Path(model), Path(output),
    SFTSettings.model_validate_json(settings), seed=0, dtype="float32", report=report,
)
"""


def killed_at(last):
    """Interrupt at a step, where a process of its own to kill would only cost seconds."""

    def report(step, total_steps, metrics):
        if step == last:
            raise KeyboardInterrupt

    return report


@pytest.fixture(scope="module")
def with_dropout(tiny_policy, tmp_path_factory):
    """The tiny policy with dropout, so that random states decide the weights."""
    model = shutil.copytree(tiny_policy, tmp_path_factory.mktemp("models") / "dropout")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.3}))
    return model


def train(demonstrations, model, output, report=None, **changed):
    settings = SETTINGS.model_copy(update=changed)
    return train_sft(
        demonstrations, model, output, settings, seed=0, dtype="float32", report=report
    )


def metrics_of(run):
    """Every metric but the totals, which a resumed run does not have, and the clock's."""
    left_out = pl.col("metric").str.contains("^train_|^total_|^step_time$")
    rows = run.metrics.filter(~left_out).sort("step", "metric").rows()
    return {(step, metric): value for step, _, metric, value in rows}, len(rows)


def test_a_killed_process_goes_on(demonstrations, with_dropout, tmp_path):
    undisturbed = train(demonstrations, with_dropout, tmp_path / "undisturbed")
    demonstrations.write_parquet(tmp_path / "rows.parquet")
    arguments = [tmp_path / "rows.parquet", with_dropout, tmp_path / "killed"]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_AT_STEP_10, *arguments, SETTINGS.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        steps = [int(next(process.stdout)) for _ in range(6)]
        process.kill()
    assert steps == [1, 2, 4, 6, 8, 10]
    assert process.returncode == -9
    assert not (tmp_path / "killed").exists()

    after = []
    resumed = train(
        demonstrations,
        with_dropout,
        tmp_path / "killed",
        report=lambda step, total_steps, metrics: after.append(step),
    )
    assert after == [10, 12, 14, 16, 18]
    assert hash_checkpoint(tmp_path / "killed") == hash_checkpoint(tmp_path / "undisturbed")
    assert metrics_of(resumed) == metrics_of(undisturbed)
    assert [path.name for path in tmp_path.glob(".*")] == []


# the last checkpoint lies within an epoch, twice; at the end of one, then in the one behind it
@pytest.mark.parametrize(("checkpoint_steps", "kills"), [(3, (6, 18)), (2, (8, 10))])
def test_random_states_and_order_are_found_again(
    demonstrations, with_dropout, tmp_path, checkpoint_steps, kills
):
    undisturbed = train(demonstrations, with_dropout, tmp_path / "undisturbed")
    arguments = (demonstrations, with_dropout, tmp_path / "killed")
    for last in kills:
        with pytest.raises(KeyboardInterrupt):
            train(*arguments, killed_at(last), checkpoint_steps=checkpoint_steps)
    resumed = train(*arguments, checkpoint_steps=checkpoint_steps)
    assert hash_checkpoint(tmp_path / "killed") == hash_checkpoint(tmp_path / "undisturbed")
    assert metrics_of(resumed) == metrics_of(undisturbed)


@pytest.mark.parametrize(
    "stage",
    [
        "dpo",
        *(
            pytest.param(stage, marks=pytest.mark.slow)
            for stage in ("reward_model", "preference_model", "raft", "kto", "rloo")
        ),
    ],
)
def test_the_other_stages_go_on(prepare_stage, tmp_path, stage):
    run = prepare_stage(stage, **SHARED)
    undisturbed = run(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", report=killed_at(6))
    resumed = run(tmp_path / "b")
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")
    assert metrics_of(resumed) == metrics_of(undisturbed)


def test_another_run_starts_afresh(demonstrations, tiny_policy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(demonstrations, tiny_policy, tmp_path / "killed", killed_at(6))
    for name, changed in {
        "learning rate": {"learning_rate": 1e-3},
        "rows": {},
    }.items():
        rows = demonstrations if changed else demonstrations.reverse()
        steps = shutil.copytree(tmp_path / ".killed.steps", tmp_path / f".{name}.steps")
        assert (steps / "checkpoint-4" / COMPLETE).is_file()
        seen = []
        train(
            rows,
            tiny_policy,
            tmp_path / name,
            lambda step, *_, seen=seen: seen.append(step),
            **changed,
        )
        assert seen[0] == 1
        assert not steps.exists()
    kept = []
    train(
        demonstrations,
        tiny_policy,
        tmp_path / "killed",
        lambda step, *_: kept.append(step),
        checkpoint_steps=50,  # decides nothing that is compared
    )
    assert kept[0] == 6


def test_without_step_checkpoints_nothing_is_kept(demonstrations, tiny_policy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(demonstrations, tiny_policy, tmp_path / "a", killed_at(6), checkpoint_steps=None)
    assert list(tmp_path.glob(".a.steps/*")) == []


@pytest.fixture
def steps(tmp_path):
    """Two complete step checkpoints of a run, as far as they are looked at."""
    for step in (8, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": [{"step": step}]}))
        size = (folder / "trainer_state.json").stat().st_size
        facts = {"run_id": "run", "order": "00ff", "bytes": {"trainer_state.json": size}}
        (folder / COMPLETE).write_text(json.dumps(facts))
    return tmp_path


def found(steps, run_id="run"):
    last = find_last(steps, run_id)
    left = sorted(path.name for path in steps.iterdir())
    return last and last.folder.name, left


def test_the_last_complete_checkpoint_is_found(steps):
    assert found(steps) == ("checkpoint-12", ["checkpoint-12"])
    assert find_last(steps, "run").order.tolist() == [0, 255]


def test_a_half_written_checkpoint_is_ignored(steps):
    (steps / "checkpoint-12" / COMPLETE).unlink()
    assert found(steps) == ("checkpoint-8", ["checkpoint-8"])


def test_a_truncated_checkpoint_is_ignored(steps):
    (steps / "checkpoint-12" / "trainer_state.json").write_text("{")
    assert found(steps) == ("checkpoint-8", ["checkpoint-8"])


def test_a_checkpoint_of_another_run_is_removed(steps):
    assert found(steps, "another") == (None, [])
