"""A mix of samplers, and adaptive n, in the loop; with the real vLLM, TRL and Delta."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.graph import build_definitions
from assets.metadata import SETTINGS
from assets.staleness import list_upstream, name_of
from training import generation
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.views.query import check, connect
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[3]
MIX = (
    "experiments.mix.sampling.samplers=[{n: 2}, {n: 1, policy: previous},"
    " {n: 1, policy: step, share: 0.5, temperature: 0.7}]"
)


def test_an_experiment_reads_the_policies_that_it_samples(make_tiny: Callable[..., Recipe]) -> None:
    initial = "experiments.far.sampling.samplers=[{n: 2}, {n: 2, policy: initial}]"
    definitions = build_definitions(make_tiny("loop.iterations=3", MIX, initial), "unused")
    graph = definitions.resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
    split = ["prompt_splits", "prompts"]
    third, second = nodes["iteration_3/generations"], nodes["iteration_2/generations"]
    assert list_upstream(third, "iterative") == ["iteration_2/policy", *split]
    assert list_upstream(third, "mix") == ["iteration_1/policy", "iteration_2/policy", *split]
    assert list_upstream(third, "far") == ["iteration_2/policy", *split, "sft_policy"]
    assert list_upstream(second, "mix") == ["iteration_1/policy", *split, "sft_policy"]


def test_a_training_keeps_the_steps_that_are_sampled(make_tiny: Callable[..., Recipe]) -> None:
    graph = build_definitions(make_tiny(MIX), "unused").resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}

    def dpo(asset: str, experiment: str) -> dict[str, object]:
        return nodes[asset].metadata[SETTINGS].value[experiment]["dpo"]

    assert dpo("iteration_1/policy", "mix")["kept_shares"] == [0.5]
    assert dpo("iteration_1/policy", "iterative")["kept_shares"] == []
    assert dpo("iteration_2/policy", "mix")["kept_shares"] == []  # the last: nobody samples it


@pytest.mark.slow
def test_a_mix_is_sampled_from_its_policies(
    tiny_overrides: tuple[str, ...], tmp_path: Path
) -> None:
    # the first step is of the warm-up, at rate 0: with four, half of them have moved the weights
    four_steps = ("loop.dpo.batch_size=8", "loop.dpo.micro_batch_size=8")
    overrides = (*tiny_overrides, *four_steps, MIX)
    words = [word for override in overrides for word in ("--set", override)]
    words += ["--experiment", "mix", "--home", str(tmp_path), "--until", "iteration_2/dpo_pairs"]
    ran = CliRunner().invoke(app, ["run", str(ROOT / "recipes" / "quickstart.yaml"), *words])
    assert ran.exit_code == 0, ran.output
    lake = Lake(tmp_path / "lake")
    ids = dict(lake.read("checkpoints").select("asset", "checkpoint_id").iter_rows())
    rows = lake.read("generations", experiment="mix").sort("iteration", "response_index")
    columns = ["iteration", "response_index", "sampler", "sampler_policy", "temperature"]
    first = ids["sft_policy"]
    assert rows.select(*columns, "policy_id").unique(maintain_order=True).rows() == [
        (1, 0, 0, "current", 1.0, first),
        (1, 1, 0, "current", 1.0, first),
        (1, 2, 1, "previous", 1.0, first),
        (1, 3, 2, "step@0.5", 0.7, first),
        (2, 0, 0, "current", 1.0, ids["iteration_1/policy"]),
        (2, 1, 0, "current", 1.0, ids["iteration_1/policy"]),
        (2, 2, 1, "previous", 1.0, first),
        (2, 3, 2, "step@0.5", 0.7, ids["iteration_1/policy@0.5"]),
    ]
    assert ids["iteration_1/policy@0.5"] not in (first, ids["iteration_1/policy"])
    # pi_0 serves all three samplers of iteration 1 with one engine; iteration 2 needs three
    assert rows.group_by("iteration", maintain_order=True).n_unique()["seed"].to_list() == [1, 3]
    with connect(lake) as connection:
        failed = {name: check(connection, name).height for name in list_checks()}
    assert failed == dict.fromkeys(list_checks(), 0)


ADAPTIVE = (
    "experiments.adaptive.sampling.adaptive={round: 2, enough_margin: 1.0}",
    "loop.sampling.n=6",
)


def test_adaptive_n_reads_the_reward_model(make_tiny: Callable[..., Recipe]) -> None:
    graph = build_definitions(make_tiny(*ADAPTIVE), "unused").resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
    generations = nodes["iteration_1/generations"]
    assert "reward_model" in list_upstream(generations, "adaptive")
    assert "reward_model" not in list_upstream(generations, "iterative")
    assert set(generations.metadata[SETTINGS].value["iterative"]) == {"sampling", "dtype", "seed"}
    assert "pairs" in generations.metadata[SETTINGS].value["adaptive"]


@pytest.mark.slow
def test_adaptive_n_draws_until_margins_are_settled_and_goes_on_after_a_crash(
    tiny_overrides: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [word for override in (*tiny_overrides, *ADAPTIVE) for word in ("--set", override)]
    words += ["--experiment", "adaptive", "--home", str(tmp_path)]
    command = ["run", str(ROOT / "recipes" / "quickstart.yaml"), *words]
    command += ["--until", "iteration_1/dpo_pairs"]
    real, calls = generation.generate, []

    def fails_in_the_second_round(*arguments, **options):
        calls.append(options["seed"])
        if len(calls) == 2:
            raise RuntimeError("the machine went away")
        return real(*arguments, **options)

    monkeypatch.setattr(generation, "generate", fails_in_the_second_round)
    assert CliRunner().invoke(app, command).exit_code != 0
    lake = Lake(tmp_path / "lake")
    key = ["prompt_id", "response_index"]
    first = lake.read("generations").sort(key)
    assert set(first["response_index"]) == {0, 1}
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    rows = lake.read("generations").sort(key)
    assert rows.join(first, on=first.columns, how="semi").height == first.height
    asked = lake.read("sampling_stops").sort("prompt_id")
    counts = rows.group_by("prompt_id").len().sort("prompt_id")
    assert counts["len"].to_list() == asked["responses"].to_list()
    assert set(asked["responses"]) <= {2, 4, 6}
    assert asked["responses"].n_unique() > 1
    assert len(set(calls)) == len(calls) - 1  # the round that failed was tried again, by its seed
    with connect(lake) as connection:
        failed = {name: check(connection, name).height for name in list_checks()}
    assert failed == dict.fromkeys(list_checks(), 0)
