"""Promotion on small lakes: the real asset and tables, answers and figures written by hand."""

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.declare import asset_key
from assets.evaluation import current_policy, promotion
from assets.resources import LakeResource
from assets.study import Study
from training.recipe import Recipe
from transforms.errors import InputError
from transforms.identity import digest
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations, promotions
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED

PROMPTS = 24
OWN = "splits.promotion_fraction=0.1"
ASSET = "iteration_2/policy"


def add_policy(lake: Lake, experiment: str, better_by: float, model: str = ASSET) -> str:
    """Write a policy whose answers are better than pi_0's by some, prompt by prompt."""
    policy_id = digest(f"{experiment} {better_by}")
    folder = checkpoints.workspace(lake, model, experiment)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(policy_id)
    checkpoints.record(lake, folder, experiment=experiment, asset=model, checkpoint_id=policy_id)
    rows = [
        {"experiment": experiment, "iteration": 2, "model": model, "policy_id": policy_id,
         "evaluation_id": "e", "split": split, "decoding": "sampled", "prompt_id": f"p{p}",
         "response_index": i, "response": f"{'x' * (p % 5)}{better_by} {i}",
         "gold_reward": p % 5 + better_by * (1 + p % 3)}
        for p in range(PROMPTS)
        for i in range(2)
        for split in ("validation", "evaluation", "promotion")
    ]  # fmt: skip
    answers = pl.DataFrame(rows, schema=schema_of("evaluation_responses"))
    lake.overwrite("evaluation_responses", answers, experiment=experiment, model=model)
    selected = {"experiment": experiment, "iteration": 2, "model": model, "policy_id": policy_id}
    if experiment != SHARED:
        frame = pl.DataFrame([selected], schema=schema_of("selected_policies"))
        lake.overwrite("selected_policies", frame, experiment=experiment)
    return policy_id


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture
def lake(home: Path) -> Lake:
    """A lake with pi_0, and one experiment whose selected policy is better."""
    lake = Lake(home / "lake")
    pi_0 = add_policy(lake, SHARED, 0.0, "sft_policy")
    add_policy(lake, "iterative", 0.5)
    prompts = [
        {"prompt_id": f"p{p}", "prompt": [{"role": "user", "content": f"question {p}"}],
         "split": "promotion"}
        for p in range(PROMPTS)
    ]  # fmt: skip
    for table in ("prompts", "prompt_splits"):
        lake.overwrite(table, pl.DataFrame(prompts, schema=schema_of(table)))
    for experiment in ("iterative", "raft_concise"):
        for asset in ("evaluation", "selected_policy"):
            materializations.record(lake, asset=asset, experiment=experiment, output_id="o")
    outputs = {
        "prompts": "prompts@0",
        "prompt_splits": "prompt_splits@0",
        "sft_policy": pi_0,
        "reward_model": "r",
        "baseline_evaluation": "o",
    }
    for asset, output_id in outputs.items():
        materializations.record(lake, asset=asset, experiment=SHARED, output_id=output_id)
    return lake


def decide(recipe: Recipe, lake: Lake, experiment: str = "iterative") -> dict:
    """Materialize the asset; the last decision."""
    made = dg.materialize(
        promotion.build(Study(recipe)),
        selection=[asset_key("promotion")],
        resources={"lake": LakeResource(root=str(lake.root))},
        partition_key=experiment,
    )
    assert made.success
    return promotions.read_decisions(lake).row(-1, named=True)


def test_there_is_no_asset_without_the_key(make_tiny) -> None:
    assert promotion.build(Study(make_tiny())) == []


def test_a_better_policy_takes_pi_0s_place_once(make_tiny, lake: Lake) -> None:
    made = decide(make_tiny(OWN, "promotion={}"), lake)
    first, _ = promotions.read_decisions(lake).iter_rows(named=True)
    assert (first["model"], first["promoted"], first["reason"]) == (
        "sft_policy", True, "the first policy",
    )  # fmt: skip
    assert (made["promoted"], made["current_id"]) == (True, first["policy_id"])
    assert 0 < made["low"] < made["advantage"] < made["high"]
    assert made["prompts"] == PROMPTS
    assert promotions.find_current(lake)["policy_id"] == made["policy_id"]
    decide(make_tiny(OWN, "promotion={}"), lake)
    assert promotions.read_decisions(lake).height == 2


def test_a_worse_policy_is_blocked_and_the_reason_kept(make_tiny, lake: Lake) -> None:
    current = decide(make_tiny(OWN, "promotion={}"), lake)
    add_policy(lake, "raft_concise", 0.2)
    for _ in range(2):  # a second time, the decision stands
        blocked = decide(make_tiny(OWN, "promotion={}"), lake, "raft_concise")
        assert promotions.read_decisions(lake).height == 3
    assert blocked["current_id"] == current["policy_id"]
    assert not blocked["promoted"]
    assert "the interval is not above zero" in blocked["reason"]
    assert promotions.find_current(lake)["policy_id"] == current["policy_id"]
    assert (current["number"], blocked["number"]) == (1, 2)
    assert blocked["level"] == pytest.approx(1 - (1 - current["level"]) / 4)
    # other settings are another decision
    decide(make_tiny(OWN, "promotion.metric=win_rate_gold"), lake, "raft_concise")
    assert promotions.read_decisions(lake).height == 4


GSM8K = ("benchmarks.gsm8k.data.test.files=[none.jsonl]", "promotion.max_fall.gsm8k=2.0", OWN)


def add_gsm8k(lake: Lake, policy_id: str, value: float) -> None:
    row = {"policy_id": policy_id, "benchmark": "gsm8k", "subset": "all", "value": value,
           "experiment": policy_id, "model": "m", "iteration": 0,
           "metric": "exact_match_flexible", "benchmark_id": "b"}  # fmt: skip
    lake.append("benchmark_results", pl.DataFrame([row], schema=schema_of("benchmark_results")))


def test_a_missing_benchmark_blocks_until_it_is_there(make_tiny, lake: Lake) -> None:
    recipe = make_tiny(*GSM8K, "benchmarks.gsm8k.enabled=false")
    blocked = decide(recipe, lake)
    assert not blocked["promoted"]
    assert blocked["reason"] == "gsm8k has no result of the challenger nor of the current policy"
    assert blocked["low"] > 0
    add_gsm8k(lake, blocked["current_id"], 30.0)
    add_gsm8k(lake, blocked["policy_id"], 27.0)
    fell = decide(recipe, lake)
    assert not fell["promoted"]
    assert fell["reason"] == "gsm8k falls by 3 to 27, more than 2"
    assert fell["falls"][0]["fall"] == pytest.approx(3.0)
    assert promotions.find_current(lake)["model"] == "sft_policy"
    wider = make_tiny(*GSM8K, "benchmarks.gsm8k.enabled=false", "promotion.max_fall.gsm8k=3.5")
    assert decide(wider, lake)["promoted"]


def test_benchmarks_come_before_the_decision(make_tiny) -> None:
    def upstream(*overrides: str) -> set[str]:
        [asset] = promotion.build(Study(make_tiny(*GSM8K, *overrides)))
        return {key.to_user_string() for key in asset.dependency_keys}

    assert {"benchmarks/gsm8k", "baseline_benchmarks/gsm8k"} < upstream()
    assert "baseline_benchmarks/gsm8k" not in upstream("benchmarks.gsm8k.models=[selected]")
    # a current policy without answers is evaluated: on prompts, beside pi_0, by the reward model
    assert upstream("benchmarks.gsm8k.enabled=false") == {
        "evaluation", "baseline_evaluation", "selected_policy",
        "prompts", "prompt_splits", "sft_policy", "reward_model",
    }  # fmt: skip


def test_the_prompts_that_selected_the_policy_decide_only_if_asked(make_tiny, lake: Lake) -> None:
    """On the validation prompts this policy is better, on the others it is not."""
    rows = lake.read("evaluation_responses", experiment="iterative")
    worse = pl.when(pl.col("split") == "promotion").then(pl.col("gold_reward") - 5)
    worse = worse.otherwise("gold_reward")
    lake.overwrite(
        "evaluation_responses", rows.with_columns(gold_reward=worse), experiment="iterative"
    )
    own = decide(make_tiny(OWN, "promotion={}"), lake)
    assert (own["split"], own["promoted"]) == ("promotion", False)
    assert own["advantage"] < -3
    asked = decide(make_tiny("promotion.split=validation"), lake)
    assert (asked["split"], asked["promoted"]) == ("validation", True)


def test_a_judge_decides(make_tiny, lake: Lake, serve_judge) -> None:
    address = serve_judge(lambda _, a, b: a.count("0.5") - b.count("0.5"))
    judge = (f"judge.address={address}", "judge.model=served")
    made = decide(make_tiny(*judge, OWN, "promotion.metric=win_rate_judge"), lake)
    assert (made["advantage"], made["low"], made["promoted"]) == (0.5, 0.5, True)
    assert made["judge_id"] == lake.read("judges").item(0, "judge_id")
    assert lake.height("judgments") == 2 * PROMPTS  # both orders


def test_a_judge_without_a_verdict_decides_nothing(make_tiny, lake: Lake, serve_chat) -> None:
    message = {"role": "assistant", "content": "Both are good."}
    address = serve_chat(lambda _: {"message": message, "finish_reason": "stop"})
    judge = (f"judge.address={address}", "judge.model=served")
    recipe = make_tiny(*judge, OWN, "promotion.metric=win_rate_judge")
    with pytest.raises(InputError, match=f"no verdict on any of {PROMPTS} prompts"):
        decide(recipe, lake)
    assert promotions.read_decisions(lake).height == 1  # that of pi_0


@pytest.mark.parametrize("kept", [[], ["validation"]], ids=["no rows", "rows of another split"])
def test_a_current_policy_without_answers_gives_them(
    make_tiny, lake: Lake, monkeypatch: pytest.MonkeyPatch, kept: list[str]
) -> None:
    """It was promoted by an earlier run, and another policy's rows have replaced its own."""
    decide(make_tiny(OWN, "promotion={}"), lake)
    old = promotions.find_current(lake)
    answers = lake.read("evaluation_responses", policy_id=old["policy_id"])
    add_policy(lake, "iterative", 0.9)
    others = answers.filter(pl.col("split").is_in(kept)).with_columns(experiment=pl.lit("current"))
    lake.overwrite("evaluation_responses", others, experiment="current")
    asked = []

    def answer(step, policy, prompts, work, description):
        asked.append((policy.checkpoint_id, prompts.height))
        keys = ("experiment", "iteration", "model", "policy_id", "evaluation_id")
        return answers.filter(split="promotion").drop(keys)

    monkeypatch.setattr(current_policy, "evaluate_policy", answer)
    monkeypatch.setattr(current_policy, "require_model", lambda path: None)
    made = decide(make_tiny(OWN, "promotion={}"), lake)
    assert asked == [(old["policy_id"], PROMPTS)]
    assert (made["promoted"], made["current_id"]) == (True, old["policy_id"])
    assert lake.read("evaluation_responses", experiment="current")["model"].unique().item() == ASSET


def test_reports_show_the_current_policy_and_all_decisions(
    make_tiny, lake: Lake, home: Path
) -> None:
    def printed(name: str):
        words = ["report", name, "--home", str(home), "--format", "json"]
        return CliRunner().invoke(app, words, catch_exceptions=False)

    empty = printed("current_policy")
    assert json.loads(empty.stdout) == []
    assert "current_policy has no rows: empty tables that it reads: promotions" in empty.stderr
    assert "recipe key `promotion`" in empty.stderr
    made = decide(make_tiny(OWN, "promotion={}"), lake)
    [shown] = json.loads(printed("current_policy").stdout)
    assert (shown["policy_id"], shown["reason"]) == (made["policy_id"], made["reason"])
    assert lake.root / shown["path"] == lake.root / "checkpoints" / made["policy_id"]
    last, first = json.loads(printed("promotion_decisions").stdout)
    assert (last["policy_id"], last["promoted"]) == (made["policy_id"], True)
    assert (first["reason"], first["current_id"]) == ("the first policy", None)
