"""The executed notebook of the guide, from its source.

    pip install 'prefloop[notebook]'
    python docs/execute_notebook.py     # reads dagster_home/quickstart, or PREFLOOP_HOME

writes docs/guide/notebook.ipynb. A test checks that its cells are those of docs/guide/notebook.py.
"""

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "docs" / "guide" / "notebook.py"
LONGEST_CELL_S = 300
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def execute(source: Path) -> nbformat.NotebookNode:
    """Execute a notebook in a new kernel, and return it with its outputs.

    Args:
        source: Python file in the percent format.

    Raises:
        CellExecutionError: a cell raises an error.
    """
    # the kernel is a process of its own, which imports this checkout
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    notebook = jupytext.read(source)
    client = NotebookClient(notebook, timeout=LONGEST_CELL_S, kernel_name=KERNEL["name"])
    client.execute(cwd=str(ROOT))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})  # times of the execution
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(SOURCE), SOURCE.with_suffix(".ipynb"))
    print(SOURCE.with_suffix(".ipynb").relative_to(ROOT))
