import os
from pathlib import Path

import polars as pl
import pytest

from assets.cli import program
from assets.cli.study_run.result import print_result, wrap_sentence
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

METRICS = ("gold_reward", "reward", "response_chars", "kl_to_initial")


def build_lake(root: Path) -> Lake:
    """A finished study of one experiment; its greedy policy is worse than offline DPO."""
    row = {"split": "evaluation", "standard_error": 0.136, "prompts": 300}
    models = {("shared", 0): "offline_dpo", ("moving_reference", 3): "iteration_3/policy"}
    rows = [
        row | {"experiment": experiment, "iteration": t, "model": model, "decoding": decoding,
               "metric": metric, "value": value, "versus": versus}
        for (experiment, t), model in models.items()
        for decoding in ("sampled", "greedy")
        for metric, versus, value in [
            *((name, None, -12.642) for name in METRICS),
            ("win_rate_gold", "sft_policy", 0.5),
            *([("gold_reward", "offline_dpo", -0.5)] if t else []),
        ]
    ]  # fmt: skip
    selected = {"experiment": "moving_reference", "iteration": 3, "model": "iteration_3/policy"}
    lake = Lake(root)
    lake.overwrite("evaluation_results", pl.DataFrame(rows, schema_of("evaluation_results")))
    lake.overwrite("selected_policies", pl.DataFrame([selected], schema_of("selected_policies")))
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return build_lake(tmp_path_factory.mktemp("study") / "lake")


@pytest.mark.parametrize("found", ["/usr/bin/prefloop", None])
def test_the_result_fits_100_columns_and_says_what_is_worse(
    lake: Lake,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    found: str | None,
) -> None:
    monkeypatch.setattr(program.shutil, "which", lambda _: found)
    monkeypatch.setattr(program.sys, "executable", str(Path.cwd() / ".venv/bin/python"))
    monkeypatch.setattr("transforms.views.plots.progress.render_progress", lambda _: b"")
    print_result(lake, lake.root.parent, Path("recipe.yaml"))
    printed = capsys.readouterr().out
    result, _, commands = printed.partition("\ntables: ")
    assert max(map(len, result.splitlines())) <= 100
    assert "moving_reference/3 *   -12.642 ± 0.136   -12.642 ± 0.136   0.500 ± 0.136" in result
    verdict = "moving_reference/3 is worse than offline_dpo (-0.500 ± 0.136)."
    assert f"  Sampled: {verdict}\n  Greedy: {verdict}" in result
    name = "prefloop" if found else ".venv/bin/prefloop"
    lines = commands.splitlines()[3:]
    assert lines
    assert all(line.startswith(f"{name} ") for line in lines)


def test_a_value_is_not_divided_from_its_error():
    sentence = (
        "Greedy: iterative/3 is better than sft_policy (+0.48 ± 0.03); worse than offline_dpo "
        "(-0.02 ± 0.01) and one_shot (-0.07 ± 0.01)."
    )
    assert wrap_sentence(sentence).splitlines() == [
        "  Greedy: iterative/3 is better than sft_policy (+0.48 ± 0.03); worse than offline_dpo",
        "    (-0.02 ± 0.01) and one_shot (-0.07 ± 0.01).",
    ]


def test_the_figure_is_drawn_again_once_the_results_have_changed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = []
    monkeypatch.setattr(
        "transforms.views.plots.progress.render_progress", lambda rows: drawn.append(rows) or b""
    )
    picture = tmp_path / "iteration_progress.png"
    for _ in range(2):
        print_result(lake, tmp_path, Path("recipe.yaml"))
    assert len(drawn) == 1
    os.utime(picture, (0, 0))  # as if the results had been committed later
    print_result(lake, tmp_path, Path("recipe.yaml"))
    assert len(drawn) == 2
