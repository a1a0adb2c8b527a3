from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.options import exit_on_bad_input


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"prefloop {version('prefloop')}\n"


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_without_arguments_the_commands_are_listed(words: list[str]) -> None:
    assert "Start with: prefloop run" in CliRunner().invoke(app, words).output


def test_an_unknown_command_has_the_near_ones() -> None:
    refused = CliRunner().invoke(app, ["lineages"])
    assert refused.exit_code == 2
    assert "Did you mean 'lineage'?" in refused.output


def test_ctrl_c_ends_the_line_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), exit_on_bad_input():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "\n"
