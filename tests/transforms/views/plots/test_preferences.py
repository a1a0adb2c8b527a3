import io

import polars as pl
import pytest
from matplotlib.image import imread

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.preferences import (
    NAMED_REASONS,
    render_kept_and_dropped,
    render_length_distributions,
)
from transforms.views.query import connect_frames, report


def size(png):
    """Width and height, pixels; fails on anything but a PNG."""
    height, width, _ = imread(io.BytesIO(png), format="png").shape
    return width, height


@pytest.fixture(scope="module", params=[1, 25])
def tables(request):
    """Pairs, tokens and drops of some sources, with more reasons than have colours."""
    turn = [{"role": "assistant", "content": "x" * 30}]
    keys = [{"source": f"source_{n}", "pair_id": f"{n}"} for n in range(request.param)]
    pairs = [key | {"prompt": turn, "chosen": turn, "rejected": turn} for key in keys]
    counts = {"prompt_tokens": 3, "chosen_tokens": 1, "rejected_tokens": 9, "tokenizer_id": "t"}
    lost = [
        {"table": "preference_pairs", "source": "source_0", "reason": f"reason_{n}"}
        for n in range(NAMED_REASONS + 2)
    ]
    lost.append({"table": "prompts", "source": "elsewhere", "reason": "tie"})
    lost.append({"table": "preference_pairs", "source": "all_dropped", "reason": "tie"})
    rows = {
        "preference_pairs": pairs,
        "preference_tokens": [key | counts for key in keys],
        "dropped_rows": lost,
    }
    return {name: pl.DataFrame(rows[name], schema=schema_of(name)) for name in rows}


def rows_of(name, tables):
    with connect_frames(tables) as connection:
        return report(connection, name)


def test_lengths_have_a_panel_a_unit(tables):
    both = size(render_length_distributions(rows_of("length_statistics", tables)))
    untold = tables | {"preference_tokens": tables["preference_tokens"].clear()}
    chars = size(render_length_distributions(rows_of("length_statistics", untold)))
    assert both[0] > chars[0]
    assert both[1] == chars[1]


def test_kept_and_dropped(tables):
    statistics = rows_of("preference_statistics", tables)
    reasons = rows_of("dropped_by_reason", tables)
    drawn = render_kept_and_dropped(statistics, reasons)
    assert size(drawn)[1] > 200
    assert render_kept_and_dropped(statistics, reasons.filter(table="preference_pairs")) == drawn
    assert render_kept_and_dropped(statistics, reasons.clear()) != drawn


@pytest.mark.parametrize(
    "draw",
    [
        lambda: render_length_distributions(rows_of("length_statistics", {})),
        lambda: render_kept_and_dropped(
            rows_of("preference_statistics", {}), rows_of("dropped_by_reason", {})
        ),
    ],
)
def test_nothing_to_draw_is_refused(draw):
    with pytest.raises(InputError, match="nothing to plot"):
        draw()
