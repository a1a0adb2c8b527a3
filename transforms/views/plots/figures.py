"""What every figure shares: colours, the look of an axis, a grid of panels, PNG, SVG for a page.

Not here: any single figure (`transforms.views.plots.progress`,
`transforms.views.plots.preferences`). Drawn with matplotlib's Agg canvas, without pyplot: no
display, no state between figures.
"""

import io
import re
from collections.abc import Iterable

import polars as pl
from matplotlib import colormaps, font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.errors import InputError

COLOURS = colormaps["tab10"].colors
"""Colours of a few lines."""

PAGE_WIDTH = 11.6
"""Inches of a figure that fills the page's column."""

MANY_COLOURS = (
    *colormaps["tab20"].colors[::2],
    *colormaps["tab20"].colors[1::2],
    *colormaps["tab20b"].colors,
)
"""Colours of up to forty sources or topics, the strong ones first; more begin again."""


def finish(axis: Axes, x_label: str) -> None:
    """Label the x axis, draw a light grid, leave the frame open above and on the right."""
    axis.set_xlabel(x_label)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def panel_grid(
    panels: int, columns: int, *, width: float, row_height: float, room: float
) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels in rows of equal panels; what is left of the last row stays empty.

    Args:
        panels: how many.
        columns: panels of a row.
        width: of the figure, inches.
        row_height: of a row, inches.
        room: inches above and below the rows, for a title and a legend.
    """
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, row_height * rows + room), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[panels:]:
        axis.set_visible(False)
    return figure, list(axes[:panels])


def shared_legend(figure: Figure, axes: Iterable[Axes], *, columns: int) -> None:
    """Put one legend for all panels below them, each label once."""
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(columns, max(1, len(handles))),
        frameon=False,
    )


def legend(figure: Figure, axis: Axes, *, columns: int) -> None:
    """Put an axis's legend below the figure, its marks large enough to tell their colour."""
    handles, labels = axis.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1)
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([40])


def drawable(text: str) -> bool:
    """Tell whether the figures' font has every character of a text; others become boxes."""
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return all(font.get_char_index(ord(character)) for character in text)


def refuse_empty(rows: pl.DataFrame, what: str) -> None:
    """Refuse to draw a figure without anything in it.

    Raises:
        InputError: there are no rows.
    """
    if rows.is_empty():
        raise InputError(
            "there is nothing to draw",
            expected=f"rows of {what}",
            found="none",
            remedy="materialize what writes them first",
        )


def png(figure: Figure) -> bytes:
    """Draw a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def svg(figure: Figure, name: str) -> str:
    """Draw a figure as SVG that stands in the text of an HTML page and takes its colours.

    Text stays text. What is drawn in black takes the colour of the page's text; the ground is
    clear. Equal figures are equal texts. The parts that a figure refers to are called by its name,
    so that two figures of a page do not take each other's.
    """
    buffer = io.StringIO()
    fonts = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "DejaVu Sans"}
    with rc_context(fonts):
        unstamped = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, dpi=110, metadata=unstamped)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn)  # HTML knows both
    drawn = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", drawn)  # of groups, which nothing refers to
    drawn = re.sub(r"font-family: [^;\"]+;? ?", "", drawn)
    drawn = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", drawn)
    return drawn.replace("#000000", "currentColor")
