import re
from urllib.parse import unquote
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.lake.schemas import schema_of
from transforms.views.plots.thumbnails import LIMIT, POINTS, draw_rewards, draw_training

finite = st.floats(-1e9, 1e9)


def training(**curves: list[float]) -> pl.DataFrame:
    rows = [
        ("e", 1, "iteration_1/policy", step, 0.1, name, value)
        for name, values in curves.items()
        for step, value in enumerate(values, 1)
    ]
    return pl.DataFrame(rows, schema=schema_of("training_metrics"), orient="row")


def read(markdown: str) -> tuple[list[str], list[list[tuple[float, float]]]]:
    """Return the titles and the points of an SVG in markdown, read by an XML parser."""
    svg = ElementTree.fromstring(
        unquote(re.fullmatch(r"!\[\]\(data:image/svg\+xml,(\S+)\)", markdown)[1])
    )
    space = "{http://www.w3.org/2000/svg}"
    numbers = [
        list(map(float, line.get("points").split(","))) for line in svg.iter(f"{space}polyline")
    ]
    return [text.text for text in svg.iter(f"{space}text")], [
        list(zip(line[::2], line[1::2], strict=True)) for line in numbers
    ]


def test_a_training_has_its_first_and_last_values_and_its_lines():
    titles, lines = read(draw_training(training(loss=[0.7, 0.6, 0.2], accuracy=[0.5, 0.5, 0.9])))
    assert titles == ["loss 0.7 to 0.2", "accuracy 0.5 to 0.9"]
    assert lines == [[(0, 16), (150, 22), (300, 48)], [(0, 104), (150, 104), (300, 72)]]


def test_a_long_line_is_the_means_of_equal_parts():
    _, (line,) = read(draw_training(training(loss=[0.0] * 50 + [1.0] * 50)))
    assert [y for _, y in line] == [48] * (POINTS // 2) + [16] * (POINTS // 2)


def test_rewards_are_counted_in_equal_bins():
    titles, (line,) = read(draw_rewards(pl.Series([0.0] * 3 + [10.0] + [19.9])))
    assert titles == ["0 to 19.9"]
    assert [place for place, (_, y) in enumerate(line) if y < 48] == [0, 10, POINTS - 1]
    assert line[0][1] == 16  # most of the rewards


@pytest.mark.parametrize("rewards", [[1.5], [2.0, 2.0]])
def test_equal_rewards_are_one_bin(rewards):
    _, (line,) = read(draw_rewards(pl.Series(rewards)))
    assert line[0][1] == 16
    assert {y for _, y in line[1:]} == {48}


def test_nothing_is_drawn_of_nothing():
    assert draw_training(training(grad_norm=[1.0])) == ""
    assert draw_rewards(pl.Series([], dtype=pl.Float64)) == ""


@given(
    st.fixed_dictionaries(
        {name: st.lists(finite, min_size=1) for name in ("loss", "accuracy", "margin")}
    )
)
def test_dagster_shows_any_curves_in_place(curves):
    assert len(draw_training(training(**curves))) < LIMIT
