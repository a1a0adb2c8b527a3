"""What is written about the code: modules and files that exist, and plain words."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("prefloop", "assets", "training", "transforms", "sql", "recipes", "docs", "bench")
KINDS = (".py", ".md", ".sql", ".yaml", ".jinja")
FILES = sorted(
    path
    for folder in (ROOT, *(ROOT / room for room in ROOMS))
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*"))
    if path.suffix in KINDS
)
MADE_UP = {"recipes/study.yaml"}
"""Files of a reader's own, in examples."""

MODULE = re.compile(r"`((?:assets|training|transforms|bench)(?:\.\w+)+)")
FILE = re.compile(
    rf"(?<![\w/.])((?:{'|'.join(ROOMS)}|tests)/[\w./-]+\.(?:py|md|sql|yaml|png|txt|jinja))\b"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")

PER = {
    "a thing per thing": re.compile(
        r"(?i)\b(?:one|an?|two|n|\d+) (?:row|line|column|panel|outline|commit|asset|partition"
        r"|engine|process|folder|conversation|epoch)s? an? [a-z]+(?!\w*')"
    ),
    "units per thing": re.compile(
        r"(?i)\b(?:tokens|responses|prompts|rows|bytes|characters|items|ms|seconds|calls|pairs|labels"
        r"|epochs) an? (?:forward pass|response|prompt|row|token|conversation|second|step|slice"
        r"|iteration|commit|batch|source|item|model|question|experiment|category)\b(?!')"
    ),
}
"""Where English has `per`: one row per response, tokens per second."""


def lines(file: Path) -> Iterator[tuple[str, str]]:
    """Return each line of a file with its place."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        yield f"{file.relative_to(ROOT)}:{number}", line


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or a name that a module defines."""
    parts = name.split(".")
    if ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").is_file():
        return True
    for size in range(len(parts) - 1, 0, -1):
        folder = ROOT.joinpath(*parts[:size])
        for module in (folder.with_suffix(".py"), folder / "__init__.py"):
            if module.is_file():
                defined = rf"(?m)^(?:(?:def|class) {parts[size]}\b|{parts[size]}\b.*=)"
                return re.search(defined, module.read_text(encoding="utf-8")) is not None
    return False


def test_every_module_that_is_named_exists() -> None:
    assert [
        f"{place} {name}"
        for file in FILES
        for place, line in lines(file)
        for name in MODULE.findall(line)
        if not exists(name)
    ] == []


def test_every_file_that_is_named_exists() -> None:
    assert [
        f"{place} {name}"
        for file in FILES
        for place, line in lines(file)
        for name in FILE.findall(line)
        if name not in MADE_UP and not (ROOT / name).exists()
    ] == []


def test_every_link_of_the_docs_leads_to_a_file() -> None:
    assert [
        f"{place} {name}"
        for file in FILES
        if file.suffix == ".md"
        for place, line in lines(file)
        for name in LINK.findall(line)
        if not (file.parent / name).exists()
    ] == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {index.parent / name for name in LINK.findall(index.read_text(encoding="utf-8"))}
    assert sorted(set((ROOT / "docs").rglob("*.md")) - linked - {index}) == []


@pytest.mark.parametrize("pattern", PER.values(), ids=PER.keys())
def test_rates_are_written_with_per(pattern: re.Pattern[str]) -> None:
    assert [
        f"{place} {found[0]}"
        for file in FILES
        for place, line in lines(file)
        if (found := pattern.search(line))
    ] == []
