"""The demonstration of a team: its moments and comparisons; in a slow test, all of it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from bench.team.comparison import compare_experiments, find_problems
from bench.team.driver import Attempt
from bench.team.kills import Moment, draw_moments, run_killed
from bench.team.page import find_page_problems
from bench.team.programs import find_ports, require_programs
from training.recipe_file import load_recipe
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "bench" / "team" / "study.yaml"


def test_every_equal_part_of_a_run_has_one_moment():
    seconds = {"a": 10.0, "b": 30.0, "c": 0.0, "d": 60.0}
    begins = {"a": 0.0, "b": 10.0, "c": 40.0, "d": 40.0}
    for seed in range(50):
        moments = draw_moments(seconds, 5, random.Random(seed))
        places = [begins[moment.asset] + moment.after_s for moment in moments]
        for part, place in enumerate(places):
            assert 20 * part - 0.1 <= place <= 20 * part + 20.1
        assert all(0 <= moment.after_s <= seconds[moment.asset] for moment in moments)
    assert draw_moments(seconds, 1, random.Random(1)) == [Moment("b", 3.4)]


class Script:
    """A driver whose attempts start one more asset at every look, and end after the last one."""

    def __init__(self, *assets):
        self.assets, self.killed = [*assets], []

    def start(self):
        return Played(self, [*self.assets])

    def run(self):
        return Played(self, [])


class Played:
    ended_s = 1.0

    def __init__(self, script, left):
        self.script, self.left, self.started_s = script, left, {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def is_running(self):
        if not self.left:
            return False
        self.started_s[self.left.pop(0)] = 0.0
        return True

    def kill(self):
        self.script.killed.append([*self.started_s][-1])
        return 0.5

    def require_success(self):
        return None

    def read_seconds(self):
        return {}

    def find_left(self, asset):
        return ""


def test_an_asset_that_is_faster_than_undisturbed_is_killed_at_the_start_of_the_next():
    script = Script("a", "b", "c", "d")
    kills, _ = run_killed(script, [Moment("b", 3600.0)], ["a", "b", "c", "d"])
    # seen when c started, killed one look later
    assert script.killed == [kill.asset for kill in kills] == ["d"]


def test_rows_and_weights_that_differ_are_problems():
    columns = ["table", "rows", "missing", "unexpected", "doubled"]
    rows = pl.DataFrame([("a", 3, 0, 0, 0), ("b", 3, 1, 0, 2)], schema=columns, orient="row")
    models = pl.DataFrame(
        {
            "asset": ["sft_policy", "reward_model", "iteration_1/policy"],
            "equal": [True, False, False],
        }
    )
    assert find_problems(rows, models) == [
        "b: 1 missing, 0 unexpected, 2 doubled",
        "reward_model: other weights",
    ]
    assert find_problems(rows[:1], models[:1]) == []


def test_one_iteration_of_two_experiments_is_compared(tmp_path):
    lake = Lake(tmp_path)
    keys = [("iterative", 1), ("iterative", 2), ("concise", 1)]
    for table in ("generations", "scores"):
        rows = [
            {
                "experiment": experiment,
                "iteration": iteration,
                "prompt_id": prompt,
                "response_index": 0,
            }
            for experiment, iteration in keys
            for prompt in "pq"
        ]
        lake.append(table, pl.DataFrame(rows, schema=schema_of(table)))
    assert compare_experiments(tmp_path, "iterative", "concise", 1) == 0
    assert compare_experiments(tmp_path, "iterative", "concise", 2) == 4


def test_runs_of_one_experiment_that_overlap_are_a_problem():
    first = {"status": "SUCCESS", "startTime": 1.0, "endTime": 5.0}
    after = {"status": "FAILURE", "startTime": 5.0, "endTime": 9.0}
    assert find_page_problems([first, first | {"startTime": 6.0}]) == []
    assert find_page_problems([after, first]) == ["a run of the page ended with FAILURE"]
    assert find_page_problems([first | {"startTime": 4.9}, first]) == [
        "two runs of one experiment were active at the same time"
    ]


def test_what_the_driver_prints_is_read(tmp_path):
    log = tmp_path / "driver.log"
    log.write_text(
        "earlier a [shared] starts\n"
        "2026-11-29 14:19:29 [1/2] sft_policy [shared] starts; 38 s elapsed\n"
        "2026-11-29 14:20:34 sft_policy: step 7/17: loss 5.384\n"
        "2026-11-29 14:20:37 sft_policy: step 8/17: loss 3.251\n"
        "2026-11-29 14:20:55 sft_policy [shared] done in 85.6 s: d12723de1b6a\n"
        "2026-11-29 14:21:07 [2/2] iteration_1/generations [iterative] starts\n"
        "2026-11-29 14:21:08 iteration_1/generations: 12 prompts to sample from d127\n"
    )
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    attempt = Attempt(process, log, offset=len("earlier a [shared] starts\n"))
    assert not attempt.is_running()
    assert [*attempt.started_s] == ["sft_policy", "iteration_1/generations"]
    assert attempt.read_seconds() == {"sft_policy": 85.6}
    assert attempt.find_left("sft_policy") == "step 7/17"
    assert attempt.find_left("iteration_1/generations") == "12 prompts to sample"
    assert attempt.find_left("iteration_1/scores") == ""


def test_ports_are_free_and_different():
    assert len(set(find_ports(9))) == 9


def test_the_recipe_runs_on_two_nodes():
    recipe = load_recipe(RECIPE)
    assert recipe.devices.cluster == recipe.sft.cluster == recipe.loop.dpo.cluster == "ray"
    assert recipe.reward_model.cluster == "ray"
    assert recipe.devices.replicas == recipe.sft.processes == 2
    assert list(recipe.experiments) == ["iterative", "raft_concise"]


@pytest.mark.slow
def test_five_kills_of_the_driver_change_no_key(tmp_path):
    """About twenty minutes on two cores. The folder is short: paths of sockets have a limit."""
    try:
        require_programs()
    except InputError as error:
        pytest.skip(str(error))
    done = subprocess.run(
        [sys.executable, "bench/team_demo.py", "--kills", "5", "--until", "iteration_1/policy"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["problems"] == []
    assert done.returncode == 0
    assert facts["kills"]
