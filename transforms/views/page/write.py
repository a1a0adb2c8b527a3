"""Writing the page: lakes in, one HTML text out, the same for equal lakes.

Lives here: the order of the sections, the template's environment. Not here: any section. The page
names no resource outside itself and runs no script: a policy in its head (Content-Security-Policy)
holds browsers to that, and every text is escaped.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version

import jinja2

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.views.page import (
    benchmarks,
    data,
    provenance,
    responses,
    results,
    summary,
    tables,
)
from transforms.views.page.across import across_lakes
from transforms.views.page.blocks import Chapter, Section
from transforms.views.page.opened_lake import Source, open_source

SectionOf = Callable[[Source], Section]

SECTIONS: Sequence[SectionOf] = (
    summary.what_it_is,
    results.answer,
    results.progress,
    results.selection,
    responses.rewards,
    responses.length,
    responses.health,
    responses.examples,
    benchmarks.chat,
    benchmarks.academic,
    benchmarks.ablations,
    benchmarks.figure_8,
    data.pair_statistics,
    data.dropped,
    data.reward_bench,
    provenance.cost,
    provenance.selected_lineage,
    tables.tables,
)
"""Sections of a lake, in their order on the page."""


def write_page(
    lakes: Mapping[str, Lake], title: str, sections: Sequence[SectionOf] = SECTIONS
) -> str:
    """Write what lakes hold as one HTML page; what they have in common stands first.

    Args:
        lakes: by name. Names are shown, paths are not: equal lakes give equal pages.
        title: of the page.
        sections: those of each lake.

    Raises:
        InputError: no lake.
    """
    if not lakes:
        raise InputError(
            "a page needs a lake", expected="at least one", found="none", remedy="name its folder"
        )
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(*named)) for named in lakes.items()]
        chapters = list(_chapters(sources, sections))
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
        type_of=_type_of,
    )


def _chapters(sources: Sequence[Source], sections: Sequence[SectionOf]) -> Iterator[Chapter]:
    if len(sources) > 1:
        yield Chapter("across", "Across the lakes", [across_lakes(sources)])
    for source in sources:
        anchor = re.sub(r"\W+", "-", source.name)
        yield Chapter(anchor, source.name, [section(source) for section in sections])


def _type_of(block: object) -> str:
    return type(block).__name__.lower()
