import io
import itertools

import polars as pl
import pytest
from matplotlib.image import imread

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.prompt_map import NAME, place_names, render_prompt_map


def points(count):
    return pl.DataFrame(
        {
            "prompt_id": [str(n) for n in range(count)],
            "source": [f"source_{n % 25}" for n in range(count)],
            "x": [float(n) for n in range(count)],
            "y": [float(n % 7) for n in range(count)],
            "topic": [n % 45 for n in range(count)],
            "topic_terms": [f"word {n % 45}" for n in range(count)],
        },
        schema=schema_of("prompt_map"),
    )


@pytest.mark.parametrize("count", [1, 500])
def test_a_map_is_drawn(count):
    png = render_prompt_map(points(count))
    assert imread(io.BytesIO(png), format="png").shape[:2] == (588, 1050)


def test_a_name_stands_where_its_topic_is_densest():
    rows = points(3).with_columns(x=pl.Series([0.0, 1.0, 1.01]), y=pl.Series([0.0, 1.0, 1.0]))
    one = rows.with_columns(topic=pl.lit(0, pl.Int32), topic_terms=pl.lit("a"))
    assert place_names(one) == [("a", pytest.approx(1.005), 1.0)]


def test_no_name_covers_another():
    crowded = points(500).with_columns(x=pl.col("topic") / 1000, y=pl.col("topic") / 500)
    far = crowded.head(1).with_columns(x=pl.lit(1.0), y=pl.lit(1.0))
    names = place_names(pl.concat([crowded, far]))
    assert [terms for terms, _, _ in names] == [f"word {n}" for n in range(45)]
    (_, wide), (_, high) = NAME
    for (_, x, y), (_, a, b) in itertools.combinations(names, 2):
        assert abs(x - a) >= wide or abs(y - b) >= high * (1 - 1e-9)


def test_no_prompts_are_refused():
    with pytest.raises(InputError, match="nothing to plot"):
        render_prompt_map(points(0))
