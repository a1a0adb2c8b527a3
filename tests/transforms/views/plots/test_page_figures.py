"""Figures of the page: drawn from literal rows, looked at through their text."""

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.benchmarks import plot_benchmarks
from transforms.views.plots.distributions import plot_histograms, plot_reward_length_maps
from transforms.views.plots.figures import render_svg
from transforms.views.plots.outcomes import plot_outcomes
from transforms.views.plots.progress import plot_progress

BARS = pl.DataFrame(
    [
        ("sft_policy", "ours", "MMLU", 25.0, 1.0, None),
        ("concise: iteration_3", "ours", "MT-Bench (×5)", 30.0, 2.5, None),
        ("LLaMA-3-8B-it", "paper", "GSM8K", 79.6, None, None),
        ("LLaMA-3-8B-it", "paper", "MMLU", 66.0, None, None),
        ("LLaMA-3-8B-it", "paper", "MT-Bench (×5)", 40.8, None, None),
    ],
    schema=["label", "origin", "benchmark", "value", "standard_error", "note"],
    orient="row",
)


def test_figure_8_has_a_bar_for_what_was_measured():
    (axis,) = plot_benchmarks(BARS).axes
    assert [text.get_text() for text in axis.get_xticklabels()] == [
        "GSM8K", "MMLU", "MT-Bench\n(×5)",
    ]  # fmt: skip
    assert [bar.get_height() for bar in axis.patches] == [25.0, 30.0, 79.6, 66.0, 40.8]


def test_a_value_with_a_note_has_a_star():
    (axis,) = plot_benchmarks(BARS).axes
    assert not axis.texts
    (axis,) = plot_benchmarks(BARS.with_columns(note=pl.lit("n", pl.String))).axes
    assert [text.get_text() for text in axis.texts] == ["*"] * BARS.height


def results(*rows):
    columns = ("experiment", "iteration", "model", "metric", "versus", "value")
    common = {"split": "evaluation", "decoding": "sampled", "standard_error": 0.1}
    return pl.DataFrame(
        [dict(zip(columns, row, strict=True)) | common for row in rows],
        schema_of("evaluation_results"),
    )


def test_experiments_of_two_figures_share_their_axes():
    rows = results(
        ("shared", 0, "sft_policy", "reward", None, 0.0),
        ("e", 1, "iteration_1/policy", "reward", None, 1.0),
        ("f", 1, "iteration_1/policy", "reward", None, 5.0),
        ("e", 1, "iteration_1/policy", "win_rate_reward", "sft_policy", 0.6),
        ("f", 1, "iteration_1/policy", "win_rate_reward", "offline_dpo", 0.9),
    )
    first, second = (plot_progress(rows, [name]) for name in ("e", "f"))
    assert [axis.get_title() for axis in first.axes if axis.get_visible()] == [
        "reward", "win rate over π₀, reward",
    ]  # fmt: skip
    assert first.axes[0].get_ylim() == second.axes[0].get_ylim()
    assert first.axes[0].get_ylim()[1] > 5.1
    assert first.axes[0].get_xlabel() == "iteration (0: sft_policy)"


def test_outcomes_of_seeds_are_dots_beside_their_mean():
    def rows(value):
        names = ["sft_policy", "concise"]
        figures = {"reward": [0.0, value], "reward_se": [0.1, None], "kl_to_initial": [None, None]}
        return pl.DataFrame({"experiment": names, **figures})

    figure = plot_outcomes(rows(2.0), [rows(1.0), rows(3.0)])
    assert [axis.get_title() for axis in figure.axes] == ["reward"]
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["sft_policy", "concise"]  # as in tables and texts
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in dots] == [[0.0, 1.0], [0.0, 3.0]]


def test_histograms_are_shares_of_each_iteration():
    columns = ("experiment", "iteration", "reward_from", "reward_to", "responses")
    counts = pl.DataFrame(
        [("e", 1, 0.0, 1.0, 3), ("e", 1, 2.0, 3.0, 1), ("e", 2, 1.0, 2.0, 8)],
        schema=columns,
        orient="row",
    )
    axis = plot_histograms(counts, "reward", "responses", "reward").axes[0]
    assert [patch.get_data().values.tolist() for patch in axis.patches] == [
        [0.75, 0, 0.25], [0, 1, 0],
    ]  # fmt: skip


def test_the_map_has_the_slope_in_its_title():
    cells = pl.DataFrame(
        {
            "experiment": ["e"], "iteration": [1], "ranker": ["rm"], "chars_from": [-12.0],
            "chars_to": [-11.0], "reward_from": [0.0], "reward_to": [0.5], "responses": [4],
        }
    )  # fmt: skip
    (axis,) = plot_reward_length_maps(cells, {("e", 1): (-0.02, 0.004)}).axes
    assert axis.get_title() == "e, iteration 1\nslope −0.02 ± 0.004"
    shares = axis.images[0].get_array()
    assert (shares[12, 0], shares.count()) == (1.0, 1)


def test_svg_stands_in_a_page():
    drawn = render_svg(plot_benchmarks(BARS), "name")
    assert drawn == render_svg(plot_benchmarks(BARS), "name")
    assert drawn != render_svg(plot_benchmarks(BARS), "other")  # ids of its parts
    assert drawn.startswith("<svg")
    assert "http" not in drawn
    assert "currentColor" in drawn
    assert ">MT-Bench</" in drawn


def test_nothing_to_draw_is_an_error():
    with pytest.raises(InputError, match="there is nothing to plot"):
        plot_progress(results(), [])
    with pytest.raises(InputError, match="there is nothing to plot"):
        plot_benchmarks(BARS.clear())
