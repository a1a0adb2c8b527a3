"""Commands of the documentation: all can be parsed, and those marked runnable run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from assets.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?P<mark><!-- runnable -->\n)?```sh\n(?P<text>.*?)```", re.S)

BENCH = re.compile(r"python3? (?:-m )?(bench[./][^`#\n]*)")
"""A bench in a page: its module or file, and its options."""
OPTION = re.compile(r"--([a-z][a-z-]*)")


def list_commands(page: Path, *, runnable: bool = False) -> Iterator[list[str]]:
    """The words of every command of prefloop in the blocks of a page."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if runnable and not block["mark"]:
            continue
        text = block["text"].replace("\\\n", " ")
        for line in re.findall(r"^ *prefloop (?:[^\"'\n]|\"[^\"]*\"|'[^']*')*", text, re.M):
            words = shlex.split(line, comments=True)[1:]
            shell = [at for at, word in enumerate(words) if word in (">", "|", "&&", "2>")]
            yield words[: min(shell, default=len(words))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one_of_the_program(page: Path) -> None:
    group = typer.main.get_command(app)
    for words in list_commands(page):
        with group.make_context("prefloop", words) as context:
            name, command, rest = group.resolve_command(context, context._protected_args)
            command.make_context(name, [*rest, *context.args], parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_bench_has_the_options_that_a_page_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for words in BENCH.findall(text):
        module = words.split()[0].removesuffix(".py").replace(".", "/")
        code = (ROOT / module).with_suffix(".py").read_text(encoding="utf-8")
        for option in OPTION.findall(words):
            assert f'"--{option}"' in code or f"{option.replace('-', '_')}:" in code, words


@pytest.mark.slow
def test_runnable_commands_run_on_a_fresh_quickstart(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFLOOP_HOME", str(home))
    commands = [words for page in PAGES for words in list_commands(page, runnable=True)]
    assert len(commands) > 5
    for words in commands:
        ran = CliRunner().invoke(app, words)
        assert ran.exit_code == 0, f"{words}: {ran.output}"
