"""Repeat a recipe in fresh homes: are all tables, their order of rows and all recorded ids equal?

Each home runs in its own process. Two comparisons with the first home are made per table: of the
rows as a set, and of the rows in the order in which the lake reads them. Columns that a clock, a
disk or the orchestrator fills are left out: times, seconds, bytes, run_id. So are metrics of
training speed. The ids of models and table versions are those in `materializations`.

The last line is JSON; the exit status is 1 if something differs. The files of the recipe must
exist.

    python bench/reliability/fresh_homes.py recipes/hh_rlhf_cpu.yaml --until sft_policy --times 5
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from transforms.lake.lake import Lake
from transforms.lake.schemas import TABLES

ROOT = Path(__file__).resolve().parents[2]
RUN = "from assets.cli.app import app; app()"
SPEED = r"runtime|per_second"
CLOCK_UNITS = ("seconds", "bytes")
"""Units of columns whose values differ between equal runs."""


def compare_homes(
    recipe: Path,
    until: Annotated[list[str], typer.Option(help="last asset; repeatable")] = [],  # noqa: B006
    settings: Annotated[list[str], typer.Option("--set", help="key=value; repeatable")] = [],  # noqa: B006
    times: Annotated[int, typer.Option(min=2, help="number of homes")] = 2,
) -> None:
    """Run the recipe in fresh homes, compare them, print one line per home and a JSON line."""
    options = [word for asset in until for word in ("--until", asset)]
    options += [word for setting in settings for word in ("--set", setting)]
    differences: dict[str, set[str]] = {"rows": set(), "order": set(), "ids": set()}
    with tempfile.TemporaryDirectory(prefix="fresh-homes-") as folder:
        homes = []
        for number in range(times):
            home, started = Path(folder, f"home_{number}"), time.monotonic()
            command = [sys.executable, "-c", RUN, "run", str(recipe), "--home", str(home)]
            subprocess.run([*command, *options], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            homes.append(read_home(home))
            found = find_differences(homes[0], homes[-1])
            for kind, names in found.items():
                differences[kind] |= names
            different = ", ".join(sorted(set().union(*found.values()))) or "nothing"
            seconds = time.monotonic() - started
            print(f"home {number}: {seconds:.0f} s, different: {different}", flush=True)
    result = {
        "recipe": recipe.stem,
        "until": until,
        "homes": times,
        "tables": len(homes[0]),
        "rows": sum(len(rows) for rows in homes[0].values()),
        "different": {kind: sorted(names) for kind, names in differences.items()},
    }
    print(json.dumps(result))
    raise typer.Exit(any(differences.values()))


def read_home(home: Path) -> dict[str, list[str]]:
    """Read all tables of a home's lake: one JSON text per row, in the order of the rows."""
    [lake] = [Lake(log.parents[2]) for log in sorted(home.rglob("tables/*/_delta_log"))[:1]]
    return {table: list_rows(lake, table) for table in lake.tables()}


def list_rows(lake: Lake, table: str) -> list[str]:
    """Return the rows of a table as JSON texts, without the columns that a clock fills."""
    rows = lake.read(table)
    if table == "training_metrics":
        rows = rows.filter(~pl.col("metric").str.contains(SPEED))
    columns = TABLES[table].columns if table in TABLES else {}
    clock = [name for name, column in columns.items() if column.unit in CLOCK_UNITS]
    clock += [name for name, dtype in rows.schema.items() if dtype.is_temporal()]
    return rows.drop({*clock, "run_id"}, strict=False).write_ndjson().splitlines()


def find_differences(
    first: dict[str, list[str]], other: dict[str, list[str]]
) -> dict[str, set[str]]:
    """Return the tables whose rows or order differ, and the assets whose recorded ids differ."""
    tables = first.keys() | other.keys()
    pairs = {table: (first.get(table, []), other.get(table, [])) for table in tables}
    ids = [set(map(read_id, rows)) for rows in pairs["materializations"]]
    return {
        "rows": {name for name, (one, two) in pairs.items() if sorted(one) != sorted(two)},
        "order": {name for name, (one, two) in pairs.items() if one != two},
        "ids": {f"{asset} [{experiment}]" for asset, experiment, _ in ids[0] ^ ids[1]},
    }


def read_id(row: str) -> tuple[str, str, str]:
    """Read asset, experiment and output id of a row of `materializations`."""
    values = json.loads(row)
    return values["asset"], values["experiment"], values["output_id"]


if __name__ == "__main__":
    typer.run(compare_homes)
