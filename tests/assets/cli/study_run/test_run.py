import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from assets.cli.app import app
from assets.cli.study_run.run import INTERRUPTED, print_other_runs
from transforms.lake.lake import Lake


def test_an_unfinished_run_is_named_before_this_one_waits(
    instance: dg.DagsterInstance,
    start_run: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_other_runs(instance)
    assert capsys.readouterr() == ("", "")
    run_id = start_run()
    print_other_runs(instance)
    printed = capsys.readouterr()
    assert f"unfinished runs of this study: {run_id[:8]}." in printed.out + printed.err


def run_sample_prompts(home: Path, *settings: str) -> Result:
    overrides = [word for setting in settings for word in ("--set", setting)]
    words = ["run", "recipes/quickstart.yaml", "--experiment", "iterative", "--home", str(home)]
    return CliRunner().invoke(app, [*words, "--until", "raw_sample_prompts", *overrides])


def test_a_check_that_fails_ends_the_run_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_overrides: tuple[str, ...]
) -> None:
    failing = pl.DataFrame({"row_key": ["a", "b"]})
    monkeypatch.setattr("assets.materialize.check", lambda *_: failing)
    result = run_sample_prompts(tmp_path, *tiny_overrides)
    assert result.exit_code == 2, result.output
    assert "stopped at the check kept_and_dropped_add_up of raw_sample_prompts" in result.output
    assert "expected: it passes when the kept and the dropped rows add up" in result.output
    assert "found:    2 failing rows" in result.output
    assert isinstance(result.exception, SystemExit)


def test_ctrl_c_ends_the_run_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_overrides: tuple[str, ...]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise dg.DagsterExecutionInterruptedError

    monkeypatch.setattr(dg.JobDefinition, "execute_in_process", interrupt)
    result = run_sample_prompts(tmp_path, *tiny_overrides)
    assert result.exit_code == INTERRUPTED
    assert isinstance(result.exception, SystemExit)


def test_ctrl_c_before_the_first_step_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_overrides: tuple[str, ...]
) -> None:
    @contextmanager
    def press_ctrl_c(*_: object) -> Iterator[None]:
        signal.raise_signal(signal.SIGINT)
        yield

    monkeypatch.setattr("assets.cli.study_run.run.show_progress", press_ctrl_c)
    result = run_sample_prompts(tmp_path, *tiny_overrides)
    assert result.exit_code == INTERRUPTED, result.output
    assert not Lake(tmp_path / "lake").exists("raw_sample_prompts")


def test_a_dry_run_lists_the_assets_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    words = ["--home", str(home), "--until", "raw_sample_prompts", "--experiment", "iterative"]
    result = CliRunner().invoke(app, ["run", "recipes/quickstart.yaml", "--dry-run", *words])
    assert "iterative: 1 assets to materialize" in result.output
    assert "raw_sample_prompts  never materialized" in result.output
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--until", "raw_sample_prompt"], "did you mean raw_sample_prompts or"),
        (["--experiment", "iterativ"], "did you mean iterative?"),
    ],
)
def test_an_unknown_name_has_the_near_ones(words: list[str], remedy: str) -> None:
    result = CliRunner().invoke(app, ["run", "recipes/quickstart.yaml", *words, "--dry-run"])
    assert result.exit_code == 2
    assert remedy in result.output
