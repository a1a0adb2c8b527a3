"""Two runs at once in one lake: of two experiments, and of one."""

import subprocess
import sys
from pathlib import Path

import pytest

from transforms.lake.lake import Lake
from transforms.views.query import check, connect
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[2]
RUN = [
    sys.executable,
    "-c",
    "from assets.cli.app import app; app()",
    "run",
    "recipes/quickstart.yaml",
]


def start(home: Path, overrides: tuple[str, ...], experiment: str, log: Path) -> subprocess.Popen:
    options = [word for override in overrides for word in ("--set", override)]
    options += ["--home", str(home), "--experiment", experiment, "--until", "iteration_1/policy"]
    with log.open("w") as output:
        return subprocess.Popen([*RUN, *options], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


@pytest.mark.slow
@pytest.mark.parametrize("experiments", [("iterative", "raft_concise"), ("iterative", "iterative")])
def test_no_commit_is_lost(experiments, tiny_overrides, tmp_path) -> None:
    home = tmp_path / "study"
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    runs = [
        start(home, tiny_overrides, experiment, log)
        for experiment, log in zip(experiments, logs, strict=True)
    ]
    texts = []
    for run, log in zip(runs, logs, strict=True):
        assert run.wait(600) == 0, log.read_text()
        texts.append(log.read_text())
    assert any("is being made by process" in text for text in texts)  # both need pi_0
    lake = Lake(home / "lake")
    for experiment in experiments:
        for table in ("generations", "scores"):
            rows = lake.read(table, experiment=experiment).select("prompt_id", "response_index")
            assert rows.height == 16 * 4
            assert rows.is_unique().all()
    made = lake.read("materializations").filter(asset="sft_policy")
    assert made.height == 1  # the second run takes what the first has made
    with connect(lake) as connection:
        assert {name: check(connection, name).height for name in list_checks()} == dict.fromkeys(
            list_checks(), 0
        )
