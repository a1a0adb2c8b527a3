"""The whole page: it is one file, it is escaped, it is the same for equal lakes."""

import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.views.page.sections.study import show_study
from transforms.views.page.write import SECTIONS, write_page

VOID = {"meta", "br", "img", "link"}
LOADING = {"src", "srcset", "href", "xlink:href", "data", "action", "poster"}
"""Attributes by which a page names something to load or to go to."""


class Reader(HTMLParser):
    """What a page's markup consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attributes if name == "id"]
        self.named += [value or "" for name, value in attributes if name in LOADING]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page(small_lake: Lake) -> str:
    return write_page({"small": small_lake}, "small")


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def test_the_page_loads_nothing(page: str, read: Reader) -> None:
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(read.tags)
    assert all(name.startswith(("#", "data:image/png;base64,")) for name in read.named)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_links_lead_to_places_of_the_page(read: Reader) -> None:
    assert {name.removeprefix("#") for name in read.named if name.startswith("#")} <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_markup_is_closed(read: Reader) -> None:
    assert read.open == []


def test_texts_of_models_and_prompts_are_escaped(page: str, read: Reader) -> None:
    assert "<script" not in page
    assert "<b> " not in page
    assert any("<script>alert('no')</script> & \"quoted\"" in text for text in read.text)
    assert any("question p0 <b>" in text for text in read.text)


def test_equal_lakes_give_equal_pages(page: str, small_lake: Lake, tmp_path: Path) -> None:
    copied = shutil.copytree(small_lake.root, tmp_path / "elsewhere" / "lake")
    assert write_page({"small": Lake(copied)}, "small") == page
    assert str(small_lake.root) not in page


def test_sections_without_data_say_so(tmp_path: Path) -> None:
    read = Reader(write_page({"empty": Lake(tmp_path)}, "empty"))
    assert read.tags.count("section") == len(SECTIONS)
    assert read.tags.count("table") == 0
    assert "No response has been scored." in "".join(read.text)


def test_seeds_are_averaged_and_told_apart(
    small_lake: Lake, make_lake: Callable[..., Lake], tmp_path: Path
) -> None:
    lakes = {"seed_0": small_lake, "seed_1": make_lake(tmp_path, seed=1)}
    read = Reader(write_page(lakes, "two", [show_study]))
    assert {"across-outcomes", "seed_0-study", "seed_1-study"} <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))
    # gold rewards of the last iterate: 1.2 and 1.7
    assert "1.45 ± 0.25" in "".join(read.text)


def test_lakes_that_are_no_seeds_are_not_averaged(small_lake: Lake) -> None:
    read = Reader(write_page({"a": small_lake, "b": small_lake}, "twice", [show_study]))
    assert any("These lakes are not averaged" in text for text in read.text)


def test_a_page_needs_a_lake() -> None:
    with pytest.raises(InputError, match="a page needs a lake"):
        write_page({}, "none")
