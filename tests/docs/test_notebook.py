"""The notebook of the guide: the executed file, and its source, run on a finished tiny loop."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "guide" / "notebook.py"
EXECUTED = SOURCE.with_suffix(".ipynb")


def read_cells() -> list[dict]:
    return json.loads(EXECUTED.read_text(encoding="utf-8"))["cells"]


def list_source_cells() -> list[tuple[str, str]]:
    """Type and text of every cell of the source, in the percent format."""
    cells = []
    for part in SOURCE.read_text(encoding="utf-8").split("# %%")[1:]:
        head, _, text = part.partition("\n")
        if head.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in text.strip().split("\n")]
            cells.append(("markdown", "\n".join(lines)))
        else:
            cells.append(("code", text.strip()))
    return cells


def test_the_executed_notebook_has_the_cells_of_its_source() -> None:
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in read_cells()]
    assert found == list_source_cells()


def test_every_code_cell_was_executed_without_an_error_and_shows_no_folder() -> None:
    for cell in read_cells():
        if cell["cell_type"] == "code":
            assert cell["execution_count"] is not None
            assert "error" not in {output["output_type"] for output in cell["outputs"]}
    assert any("image/png" in str(cell.get("outputs")) for cell in read_cells())
    assert "/home/" not in EXECUTED.read_text(encoding="utf-8")
    assert "/tmp/" not in EXECUTED.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_notebook_runs_on_a_finished_loop(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs the extra `notebook`."""
    for library in ("ipykernel", "jupytext", "nbclient"):
        pytest.importorskip(library)
    execute = runpy.run_path(str(ROOT / "docs" / "execute_notebook.py"))["execute"]
    monkeypatch.setenv("PREFLOOP_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", "")  # `execute` changes it; restored after the test
    done = execute(SOURCE)
    outputs = [cell["outputs"] for cell in done.cells if cell.cell_type == "code"]
    assert all(outputs)
    shown = json.dumps(outputs)
    assert "iterative" in shown
    assert "model.safetensors" in shown
