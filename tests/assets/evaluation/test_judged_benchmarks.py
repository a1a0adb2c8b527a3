"""Judged benchmarks over a real tiny model, with questions written here and a judge on loopback."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml

from assets.declare import asset_key
from assets.evaluation import benchmarks
from assets.resources import LakeResource
from assets.study import Study
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas.table import SHARED
from transforms.views.query import check, connect, report

ROOT = Path(__file__).resolve().parents[3]
CHECKS = (*benchmarks.CHECKS, *benchmarks.JUDGED_CHECKS)
WORDS = "name a red cat and a green dog , please : the cat is red . the dog is green m or M"

QUESTIONS = [
    {"question_id": n, "category": category, "turns": [f"name a {word}", "and a dog , please"]}
    for n, (category, word) in enumerate([("math", "cat"), ("writing", "dog"), ("stem", "red cat")])
]
REFERENCES = [{"question_id": 0, "choices": [{"turns": ["REF ONE", "REF TWO"]}]}]
PAIRS = [
    {"instruction": f"name a {word}", "output": "the cat is red . " * n, "generator": "base"}
    for n, word in enumerate(["cat", "dog", "red cat", "green dog"], start=1)
]
ARENA = [
    {"uid": f"u{n}", "category": category, "prompt": f"name a {word}"}
    for n, (category, word) in enumerate(
        [("hard_prompt", "cat"), ("hard_prompt", "dog"), ("creative_writing", "red cat")]
    )
]


def write(folder: Path, **rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Write JSON lines, a file a part; the data of a benchmark."""
    data = {}
    for part, content in rows.items():
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, content)))
        data[part] = {"files": [str(folder / f"{part}.jsonl")]}
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=512)
    folder = tmp_path_factory.mktemp("model") / "model"
    make_tiny_model(shape, [[{"role": "user", "content": WORDS}]], folder, seed=0)
    return folder


@pytest.fixture
def lake(tmp_path: Path, folder: Path) -> Lake:
    """A lake with a pi_0 of random weights."""
    lake = Lake(tmp_path / "lake")
    place = checkpoints.workspace(lake, "sft_policy", SHARED)
    shutil.copytree(folder, place)
    empty = {"parent_id": "", "reference_id": "", "settings": "{}", "inputs": "{}"}
    key = {"experiment": SHARED, "iteration": 0, "asset": "sft_policy"}
    name = hash_checkpoint(place)
    checkpoints.record(lake, place, checkpoint_id=name, kind="causal_lm", **key, **empty)
    materializations.record(lake, asset="sft_policy", experiment=SHARED, output_id=name)
    return lake


class Judge:
    """Answers by the form that is asked for; remembers every request."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        said = body["messages"][-1]["content"]
        with self.lock:
            self.requests.append(said)
            self.seen[said] += 1
            again = self.seen[said] > 1
        if "m or M" in said:
            return self.choose(said)
        if "[[A>>B]]" in said:
            first = re.search(r"<answer_a>\n(.*?)\n</answer_a>", said, re.S)[1]
            return self.say("[[A>B]]" if first.startswith("BASE") else "[[B>>A]]")
        rating = 9 if again else 8  # it never says the same twice
        return self.say(f"Fine.\n[[{rating if '<reference' in said else rating - 4}]]")

    def choose(self, said: str) -> dict[str, Any]:
        """Lean towards the longer answer, in token probabilities."""
        texts = [
            re.search(rf"<answer_of_{name}>\n(.*?)\n</answer_of_{name}>", said, re.S)[1]
            for name in "mM"
        ]
        longer = len(texts[0]) > len(texts[1])
        tops = [{"token": "m", "logprob": -0.2 if longer else -1.8},
                {"token": "M", "logprob": -1.8 if longer else -0.2}]  # fmt: skip
        return self.say("m" if longer else "M", logprobs={"content": [{"top_logprobs": tops}]})

    def say(self, text: str, **more: Any) -> dict[str, Any]:
        return {"message": {"content": text}, "finish_reason": "stop", **more}


def recipe_of(make_tiny, address: str, **settings: Any) -> Recipe:
    judge = {"address": address, "model": "j", "concurrency": 2, "chunk_comparisons": 2}
    return judged_recipe(make_tiny, judge, **settings)


def judged_recipe(make_tiny, judge: dict[str, Any], **settings: Any) -> Recipe:
    common = {"max_tokens": 8, "models": ["sft_policy"], "noise_items": 1}
    named = {name: common | own for name, own in settings.items()}
    return make_tiny(f"judge={json.dumps(judge)}", f"benchmarks={json.dumps(named)}")


def measure(recipe: Recipe, lake: Lake, name: str) -> bool:
    return dg.materialize(
        benchmarks.build(Study(recipe)),
        selection=[asset_key(f"baseline_benchmarks/{name}")],
        resources={"lake": LakeResource(root=str(lake.root))},
        raise_on_error=False,
    ).success


def values(lake: Lake, name: str, subset: str = "all") -> dict[str, float | None]:
    rows = lake.read("benchmark_results", benchmark=name).filter(subset=subset)
    return dict(rows.select("metric", "value").iter_rows())


@pytest.mark.slow
def test_mt_bench_is_answered_and_judged_once(make_tiny, serve_chat, lake, tmp_path):
    judge = Judge()
    data = write(tmp_path, questions=QUESTIONS, references=REFERENCES)
    recipe = recipe_of(make_tiny, serve_chat(judge), mt_bench={"data": data})
    assert measure(recipe, lake, "mt_bench")

    answers = lake.read("benchmark_answers")
    texts = {row["item"]: json.loads(row["answer"]) for row in answers.to_dicts()}
    assert {item: len(both) for item, both in texts.items()} == {"0": 2, "1": 2, "2": 2}

    # every question twice, by turn, and one item's two requests twice more
    verdicts = lake.read("benchmark_verdicts")
    assert (verdicts.height, len(judge.requests)) == (6 + 4, 10)
    assert verdicts["error"].null_count() == verdicts["rating"].count() == 10
    assert verdicts.select("turn", "repeat").unique().height == 6
    sent = [text for text in judge.requests if "<reference" in text]
    assert {"REF ONE" in text for text in sent} == {True}
    (second,) = {text for text in sent if "<question_2>" in text}
    assert f"<answer_1>\n{texts['0'][0]}\n</answer_1>" in second
    assert f"<answer_2>\n{texts['0'][1]}\n</answer_2>" in second

    found = values(lake, "mt_bench")
    assert (found["score"], found["score_turn_1"]) == (pytest.approx(16 / 3), pytest.approx(16 / 3))
    assert values(lake, "mt_bench", "math") == {"score": 8.0}
    assert found["judge_flips"] == 100.0
    assert found["judge_sd"] == pytest.approx((1 / 3) ** 0.5)  # of 8, 9, 9
    with connect(lake) as connection:
        assert [check(connection, name).height for name in CHECKS] == [0, 0, 0]
        (row,) = report(connection, "judged_benchmarks").to_dicts()
    assert (row["score"], row["judge_flips"], row["unusable"]) == (pytest.approx(16 / 3), 100.0, 0)
    judged_by = lake.read("judges").row(0, named=True)
    assert judged_by["judge_id"] == row["judge_id"]
    assert judged_by["rubric_text"].count("# rating") == 4

    # nothing is asked again; one verdict that is gone is
    assert measure(recipe, lake, "mt_bench")
    assert len(judge.requests) == 10
    slice_ = {"experiment": SHARED, "model": "sft_policy", "benchmark": "mt_bench"}
    lake.overwrite("benchmark_verdicts", verdicts.head(9), **slice_)
    assert measure(recipe, lake, "mt_bench")
    assert len(judge.requests) == 11


@pytest.mark.slow
def test_pairs_are_judged_in_both_orders(make_tiny, serve_chat, lake, tmp_path):
    judge = Judge()
    arena = write(
        tmp_path,
        questions=ARENA,
        baseline=[{"uid": row["uid"], "answer": "BASE"} for row in ARENA],
    )
    (tmp_path / "alpaca").mkdir()
    alpaca = write(tmp_path / "alpaca", baseline=PAIRS)
    recipe = recipe_of(
        make_tiny,
        serve_chat(judge),
        alpaca_eval={"data": alpaca},
        arena_hard_v2={"data": arena},
    )
    assert measure(recipe, lake, "alpaca_eval")
    assert len(judge.requests) == 4 * 2 + 2 * 2
    found = values(lake, "alpaca_eval")
    # the judge looks at length alone: whoever is longer has exp(-0.2) / (exp(-0.2) + exp(-1.8))
    chars = dict(lake.read("benchmark_answers").select("item", "answer").iter_rows())
    assert found["response_chars"] == sum(map(len, chars.values())) / 4
    assert (found["weighted_share"], found["order_flips"]) == (100.0, 0.0)
    share = 1 / (1 + 2.718281828 ** (-1.6))
    longer = found["longer_share"] / 100
    assert found["win_rate"] == pytest.approx(100 * (longer * share + (1 - longer) * (1 - share)))
    assert (found["judge_flips"], found["judge_sd"]) == (0.0, 0.0)

    assert measure(recipe, lake, "arena_hard_v2")
    rows = lake.read("benchmark_verdicts", benchmark="arena_hard_v2").filter(repeat=0)
    assert set(rows.select("shown_first", "verdict", "share").rows()) == {
        ("baseline", "A>B", 0.0),
        ("model", "B>>A", 0.0),
    }
    assert values(lake, "arena_hard_v2")["win_rate"] == 0.0
    assert values(lake, "arena_hard_v2", "hard_prompt") == {"win_rate": 0.0}
    with connect(lake) as connection:
        assert [check(connection, name).height for name in CHECKS] == [0, 0, 0]
        assert report(connection, "judged_benchmarks")["benchmark"].to_list() == [
            "alpaca_eval",
            "arena_hard_v2",
        ]


@pytest.mark.slow
def test_a_judge_may_run_here(make_tiny, lake, tmp_path, folder):
    """A tiny model of random weights judges in the engine: greedily it repeats itself."""
    data = write(tmp_path, baseline=PAIRS)
    judge = {"path": str(folder), "max_unparsed_share": 1.0}
    named = {"alpaca_eval": {"data": data, "noise_items": 4, "noise_repeats": 1}}
    assert measure(judged_recipe(make_tiny, judge, **named), lake, "alpaca_eval")
    rows = lake.read("benchmark_verdicts")
    assert rows.height == 4 * 2 * 2
    assert rows["raw_text"].count() == rows["error"].null_count() == rows.height
    said = rows.group_by("item", "shown_first").agg(pl.col("raw_text").n_unique())
    assert said["raw_text"].to_list() == [1] * 8
    # where the first token's probabilities have m or M, they are the verdict
    assert rows.drop_nulls("share")["is_weighted"].all()
    assert lake.read("judges")["model"].to_list() == [hash_checkpoint(folder)]


@pytest.mark.slow
def test_a_killed_measurement_repeats_no_verdict(serve_chat, lake, tmp_path):
    """SIGKILL in the middle of the judging; the next run asks for the rest alone."""
    judge, reached = Judge(), threading.Event()

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        found = judge(body)
        if len(judge.requests) >= 7:
            reached.set()
        time.sleep(0.2)  # so that chunks are committed while others are asked
        return found

    data = write(tmp_path, questions=QUESTIONS, references=REFERENCES)
    keys = yaml.safe_load((ROOT / "recipes" / "quickstart.yaml").read_text())
    judging = {
        "address": serve_chat(answer),
        "model": "j",
        "concurrency": 1,
        "chunk_comparisons": 2,
    }
    named = {"mt_bench": {"data": data, "max_tokens": 8, "noise_items": 3, "noise_repeats": 1}}
    recipe = tmp_path / "recipe.yaml"
    more = {"judge": judging, "benchmarks": named, "commits": {"seconds": 0}}
    recipe.write_text(yaml.safe_dump({**keys, **more}))
    policy = checkpoints.find_latest(lake, "sft_policy", SHARED).checkpoint_id
    run = "from assets.cli.app import app; app()"
    command = [sys.executable, "-c", run, "benchmark", policy[:12]]
    command += ["--recipe", str(recipe), "--home", str(lake.root.parent)]

    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not reached.wait(timeout=1):
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    held = lake.read("benchmark_verdicts")
    assert 0 < held.height < 12
    assert not lake.exists("benchmark_results")
    asked = Counter(judge.requests)

    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    verdicts = lake.read("benchmark_verdicts")
    assert verdicts.height == verdicts["request_id"].n_unique() == 12
    assert set(held["request_id"]) <= set(verdicts["request_id"])
    # what had been committed was not asked for again
    assert len(judge.requests) - asked.total() == 12 - held.height
    assert values(lake, "mt_bench")["score"] is not None


def test_a_judged_benchmark_without_a_judge_is_refused(make_tiny, tmp_path):
    data = write(tmp_path, questions=QUESTIONS, references=REFERENCES)
    named = json.dumps({"mt_bench": {"data": data, "max_tokens": 8}})
    with pytest.raises(InputError, match="need a judge; set `judge`"):
        make_tiny(f"benchmarks={named}")
    with pytest.raises(InputError, match="data has no references"):
        recipe_of(
            make_tiny, "http://127.0.0.1:1/v1", mt_bench={"data": {"questions": data["questions"]}}
        )
