import polars as pl
import pytest
from matplotlib.figure import Figure

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.figures import render_png
from transforms.views.plots.training import render_reward_histogram, render_training_curves

PNG = b"\x89PNG\r\n\x1a\n"


def test_training_and_histogram():
    metrics = pl.DataFrame(
        [
            ("shared", 0, "sft_policy", 1, 0.1, "loss", 2.0),
            ("e", 1, "iteration_1/policy", 1, 0.1, "lr", 2.0),
        ],
        schema=schema_of("training_metrics"),
        orient="row",
    )
    assert render_training_curves(metrics).startswith(PNG)
    scores = pl.DataFrame(
        [
            ("e", t, "p", n, "reward_model", "rm", "r", "pi", "s", 1.0)
            for t in (1, 2)
            for n in range(3)
        ],
        schema=schema_of("scores"),
        orient="row",
    )
    assert render_reward_histogram(scores).startswith(PNG)


def test_no_png_is_wider_than_the_dialog_of_dagster():
    for inches in (6, 9.5, 15):
        png = render_png(Figure(figsize=(inches, 2)))
        assert int.from_bytes(png[16:20]) == min(110 * inches, 1050)


@pytest.mark.parametrize(
    ("draw", "table"),
    [(render_training_curves, "training_metrics"), (render_reward_histogram, "scores")],
)
def test_nothing_to_plot_is_refused(draw, table):
    with pytest.raises(InputError, match="nothing to plot"):
        draw(pl.DataFrame(schema=schema_of(table)))
