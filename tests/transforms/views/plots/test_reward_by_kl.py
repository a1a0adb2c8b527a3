"""The figure of over-optimisation, from results in a table to its lines."""

import math

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.reward_by_kl import plot_reward_by_kl, render_reward_by_kl
from transforms.views.query import connect_frames, report

MODELS = {
    ("shared", 0, "sft_policy"): (0.0, -0.6, 0.45),
    ("shared", 0, "offline_dpo"): (1.7, 1.6, 0.81),
    ("shared", 0, "one_shot/policy"): (2.8, 2.2, 0.9),
    ("guarded", 1, "iteration_1/policy"): (0.5, 0.9, 0.75),
    ("guarded", 2, "iteration_2/policy"): (1.0, 1.7, 0.95),
    ("plain", 1, "iteration_1/policy"): (0.6, 1.0, 0.7),
    ("plain", 2, "iteration_2/policy"): (4.0, 3.9, 0.6),
}
METRICS = ("kl_to_initial", "reward", "gold_reward")


def select(metrics=METRICS, models=MODELS):
    rows = [
        {"experiment": experiment, "iteration": t, "model": model, "split": split,
         "decoding": decoding, "metric": metric, "value": value, "standard_error": 0.1}
        for (experiment, t, model), values in models.items()
        for metric, value in zip(METRICS, values, strict=True)
        for split in ("evaluation", "validation")
        for decoding in ("sampled", "greedy")
        if metric in metrics
    ]  # fmt: skip
    results = pl.DataFrame(rows, schema=schema_of("evaluation_results"))
    return report(connect_frames({"evaluation_results": results}), "reward_by_kl")


def test_the_report_has_the_root_of_the_kl_with_its_error() -> None:
    rows = select()
    assert rows.height == len(MODELS)
    last = rows.filter(experiment="plain", model="iteration_2").row(0, named=True)
    assert (last["sqrt_kl"], last["sqrt_kl_se"]) == (2.0, 0.1 / 4)  # d sqrt(x) = dx / (2 sqrt(x))
    assert (last["reward"], last["gold_reward"]) == (3.9, 0.6)
    start = rows.filter(model="sft_policy").row(0, named=True)
    assert (start["sqrt_kl"], start["sqrt_kl_se"]) == (0.0, None)


def test_no_two_of_thirty_experiments_look_alike() -> None:
    names = [f"e{number:02}" for number in range(30)]
    models = MODELS | {(name, 1, "iteration_1/policy"): (0.5, 0.9, 0.75) for name in names}
    gold = plot_reward_by_kl(select(models=models), names).axes[1]
    lines = [one.lines[0] for one in gold.containers if one.get_label() in names]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 30


def test_every_experiment_is_a_line_from_the_initial_policy() -> None:
    figure = plot_reward_by_kl(select(), ["guarded", "plain"])
    reward, gold = figure.axes
    assert [axis.get_title() for axis in (reward, gold)] == [
        "reward", "gold reward",
    ]  # fmt: skip
    lines = {one.get_label(): one.lines[0] for one in gold.containers}
    assert [*lines] == ["sft_policy", "offline_dpo", "one_shot", "guarded", "plain"]
    assert list(lines["plain"].get_xdata()) == pytest.approx([0.0, math.sqrt(0.6), 2.0])
    assert list(lines["plain"].get_ydata()) == [0.45, 0.7, 0.6]
    assert [text.get_text() for text in gold.texts] == ["1", "2"] * 2


def test_a_study_without_gold_has_one_panel() -> None:
    assert len(plot_reward_by_kl(select(METRICS[:2]), ["plain"]).axes) == 1
    assert render_reward_by_kl(select(METRICS[:2])).startswith(b"\x89PNG")


def test_nothing_to_plot_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to plot"):
        plot_reward_by_kl(select(models={}), [])
