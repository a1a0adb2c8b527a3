"""The HTML page of one or several lakes; equal lakes give equal pages, byte by byte.

The page loads no resource and runs no script: its Content-Security-Policy forbids both, and every
text is escaped. Not here: the content of the sections (`transforms.views.page.sections`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version

import jinja2

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.views.page.across import show_average
from transforms.views.page.blocks import Chapter, Section
from transforms.views.page.opened_lake import Source, open_source
from transforms.views.page.sections import (
    answer,
    benchmarks,
    browse,
    data,
    provenance,
    responses,
    results,
    study,
    tables,
    training,
)

SectionOf = Callable[[Source], Section]

SECTIONS: Sequence[SectionOf] = (
    answer.show_answer,
    training.show_training,
    results.show_progress,
    results.show_selection,
    browse.show_answers,
    browse.show_pairs_to_read,
    responses.show_rewards,
    responses.show_length,
    responses.show_health,
    benchmarks.show_chat,
    benchmarks.show_academic,
    benchmarks.show_ablations,
    benchmarks.show_figure_8,
    data.show_pairs,
    data.show_dropped,
    data.show_reward_bench,
    provenance.show_costs,
    provenance.show_lineage,
    study.show_study,
    tables.show_tables,
)
"""Sections of a lake, in their order on the page."""


def write_page(
    lakes: Mapping[str, Lake], title: str, sections: Sequence[SectionOf] = SECTIONS
) -> str:
    """Write lakes as one HTML page; with several lakes, their average comes first.

    Args:
        lakes: lakes by name. Names are shown and paths are not: equal lakes give equal pages.
        title: title of the page.
        sections: sections of each lake.

    Raises:
        InputError: no lake.
    """
    if not lakes:
        raise InputError(
            "a page needs a lake",
            expected="at least one lake",
            found="none",
            remedy="give its folder with --home",
        )
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(*named)) for named in lakes.items()]
        chapters = list(_build_chapters(sources, sections))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("transforms.views.page", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        title=title,
        lakes=list(lakes),
        chapters=chapters,
        version=version("prefloop"),
        type_of=_find_type,
    )


def _build_chapters(sources: Sequence[Source], sections: Sequence[SectionOf]) -> Iterator[Chapter]:
    if len(sources) > 1:
        yield Chapter("across", "All lakes", [show_average(sources)])
    for source in sources:
        anchor = re.sub(r"\W+", "-", source.name)
        yield Chapter(anchor, source.name, [section(source) for section in sections])


def _find_type(block: object) -> str:
    return type(block).__name__.lower()
