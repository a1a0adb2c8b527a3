"""Shared parts of the figures: colours, axes, grids of panels, legends, PNG and SVG output.

Figures use matplotlib's Agg canvas without pyplot: no display, no state between figures.
"""

import io
import re
from collections.abc import Iterable
from typing import Any, cast

import polars as pl
from matplotlib import colormaps, font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from transforms.errors import InputError

Colour = tuple[float, float, float]


def _list_colours(name: str) -> list[Colour]:
    """Return the colours of a qualitative colour map of matplotlib."""
    return cast(list[Colour], cast(ListedColormap, colormaps[name]).colors)


COLOURS = _list_colours("tab10")
"""Colours of a few lines."""

DASHES = ("-", "--", ":")
"""How the first ten lines of a panel are drawn, the next ten, and the ten after these."""

PAGE_WIDTH = 11.6
"""Width in inches of a figure that fills the page's column."""

DPI = 110
"""Pixels per inch."""

DIALOG_PIXELS = 1050
"""Width of the dialog in which Dagster shows a figure; no PNG is wider."""

DIALOG_WIDTH = DIALOG_PIXELS / DPI
"""Width in inches of a PNG that fills the dialog; wider ones get smaller letters."""

MANY_COLOURS = (
    *_list_colours("tab20")[::2],
    *_list_colours("tab20")[1::2],
    *_list_colours("tab20b"),
)
"""Colours of up to forty sources or topics, strong colours first; further ones repeat them."""


def style_line(number: int) -> dict[str, Any]:
    """Return colour and dashes of a line, as keyword arguments: thirty lines differ.

    Args:
        number: place of the line in the legend, from 0.
    """
    turn, place = divmod(number, len(COLOURS))
    return {"color": COLOURS[place], "linestyle": DASHES[turn % len(DASHES)]}


def finish(axis: Axes, x_label: str) -> None:
    """Label the x axis, add a light grid, remove the frame above and on the right."""
    axis.set_xlabel(x_label)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def make_panels(
    panels: int, columns: int, *, width: float, row_height: float, room: float
) -> tuple[Figure, list[Axes]]:
    """Make a figure with rows of equal panels; the last row may have fewer.

    Args:
        panels: number of panels.
        columns: panels per row.
        width: width of the figure, inches.
        row_height: height of a row, inches.
        room: height for a title and a legend, inches.
    """
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, row_height * rows + room), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[panels:]:
        axis.set_visible(False)
    return figure, list(axes[:panels])


def add_shared_legend(figure: Figure, axes: Iterable[Axes], *, columns: int) -> None:
    """Add one legend for all panels below the figure, each label once."""
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
        handlelength=3,  # shows the dashes on both sides of a mark
    )


def add_legend(figure: Figure, axis: Axes, *, columns: int) -> None:
    """Add an axis's legend below the figure, with marks large enough to show their colour."""
    handles, labels = axis.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
        if isinstance(handle, PathCollection):
            handle.set_sizes([40])


def is_drawable(text: str) -> bool:
    """Check whether the figures' font has every character of a text; others become boxes."""
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return all(font.get_char_index(ord(character)) for character in text)


def refuse_empty(rows: pl.DataFrame, what: str) -> None:
    """Refuse to plot a frame without rows.

    Raises:
        InputError: there are no rows.
    """
    if rows.is_empty():
        raise InputError(
            "there is nothing to plot",
            expected=f"rows of {what}",
            found="none",
            remedy="materialize the asset that writes them first",
        )


def render_png(figure: Figure) -> bytes:
    """Render a figure as PNG, at most as wide as Dagster's dialog."""
    buffer = io.BytesIO()
    dpi = min(DPI, DIALOG_PIXELS / figure.get_figwidth())
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def render_svg(figure: Figure, name: str) -> str:
    """Render a figure as SVG for an HTML page.

    Text is kept as text. Black parts get the colour of the page's text; the background is
    transparent. Equal figures give equal SVG. The ids of parts depend on the figure's name, so two
    figures of a page never share an id.
    """
    buffer = io.StringIO()
    options: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "DejaVu Sans"}
    with rc_context(options):
        unstamped = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, dpi=DPI, metadata=unstamped)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn)  # HTML knows both
    drawn = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", drawn)  # ids of groups; nothing refers to them
    drawn = re.sub(r"font-family: [^;\"]+;? ?", "", drawn)
    drawn = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", drawn)
    return drawn.replace("#000000", "currentColor")
