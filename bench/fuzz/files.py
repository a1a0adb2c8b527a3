"""Fuzz run over source files: each is read whole, or refused by one clear error.

    python -m bench.fuzz.files --files 10000 --log /tmp/fuzz.jsonl --inputs odd_inputs

Every file is read as a source, and its rows go through the layouts and rules of its entry. A file
is right if it ends in an `InputError`, or if kept and dropped rows are as many as another reader
finds. The run happens in a second process, so that a crash of a library is a result; the same
command goes on after the last file of the log. The last line is JSON: files per outcome.
"""

import json
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from bench.fuzz.file_cases import Case, count_rows, make_case
from transforms.errors import InputError
from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.sources import OriginSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.files.reading import ROW_KEY, read_batches
from transforms.sources.intake.demonstrations import split_demonstrations
from transforms.sources.intake.preferences import limit_pairs, split_pairs

LOG = Path("fuzz_files.jsonl")

FILE_S = 60
"""Seconds after which reading a file counts as a hang."""

GOOD = ("all rows fit", "some rows dropped", "refused", "read, not counted")
"""Outcomes that are right. A file is not counted if the other reader gives up on it."""


def judge(case: Case, folder: Path) -> tuple[str, str]:
    """Read a file and its standard rows; return the outcome and its evidence."""
    path = folder / case.name
    path.write_bytes(case.content)
    entry = CATALOGUE[case.entry]
    origin = OriginSettings(files=(str(path),))
    try:
        batches = list(read_batches("s", origin, entry.native, entry.optional))
        raw = pl.concat([batch.rows for batch in batches])
        dropped = sum(batch.malformed.height for batch in batches)
        lost = find_lost_rows(case.entry, raw)
    except InputError as error:
        return "refused", error.parts["found"][:200]
    except BaseException:
        return "traceback", traceback.format_exc()[-1500:]
    if lost:
        return "rows lost by a layout", ", ".join(sorted(lost))
    found = count_rows(path)
    if found is None:
        return "read, not counted", f"{raw.height} rows, {dropped} malformed"
    if found != raw.height + dropped:
        return "other count", f"{raw.height} + {dropped}, not {found}"
    return ("some rows dropped", f"{dropped}") if dropped else ("all rows fit", "")


def find_lost_rows(name: str, raw: pl.DataFrame) -> set[str]:
    """Return the raw rows that are neither kept nor dropped by a role of an entry."""
    entry = CATALOGUE[name]
    options = entry.options()
    lost: set[str] = set()
    for role, layout in entry.layouts.items():
        candidates = layout(raw, options)
        if role == "demonstrations":
            frames = split_demonstrations(name, candidates, options)
        elif role == "prompts":
            frames = split_prompt_rows(name, candidates, options)
        else:
            kept, broken = split_pairs(name, candidates, options, entry.rules(options))
            frames = (*limit_pairs(kept, options), broken)
        keys = [key for frame in frames for key in frame[ROW_KEY]]
        named = {key.split("#")[0] for joined in keys for key in joined.split("|")}
        lost |= set(raw[ROW_KEY]) - named
        if sorted(keys) != sorted(candidates[ROW_KEY]):
            lost.add(f"candidates of {role}")
    return lost


def work(first: int, files: int, seed: int, log: Path, inputs: list[Path]) -> None:
    """Judge the files from a number on, one line of the log each."""
    with tempfile.TemporaryDirectory() as folder, log.open("a", encoding="utf-8") as out:
        for number in range(first, files):
            signal.alarm(FILE_S)
            case = make_case(number, seed, inputs)
            outcome, evidence = judge(case, Path(folder))
            (Path(folder) / case.name).unlink()
            line = {
                "number": number,
                "kind": case.kind,
                "entry": case.entry,
                "name": case.name,
                "damages": case.damages,
                "outcome": outcome,
                "evidence": evidence,
            }
            out.write(json.dumps(line) + "\n")
            out.flush()


def read_log(log: Path) -> list[dict[str, Any]]:
    """Read the lines of a log; a line that was cut by a crash is left out."""
    lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
    return [json.loads(line) for line in lines]


def main(
    files: Annotated[int, typer.Option(help="Number of files.")] = 10_000,
    log: Annotated[
        Path, typer.Option(help="One JSON line per file; a run goes on after it.")
    ] = LOG,
    inputs: Annotated[Path | None, typer.Option(help="Folder of files to damage.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the files.")] = 0,
    work_from: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Read files that were made and damaged at random; print the number of files per outcome."""
    found = sorted(inputs.rglob("*")) if inputs else []
    odd = [path for path in found if path.is_file() and path.name != "README.md"]
    if work_from is not None:
        work(work_from, files, seed, log, odd)
        return
    while (done := len(read_log(log))) < files:
        command = [sys.executable, "-m", "bench.fuzz.files", *sys.argv[1:]]
        ended = subprocess.run([*command, "--work-from", str(done)], check=False)
        if ended.returncode and len(read_log(log)) < files:
            crashed = {"number": len(read_log(log)), "outcome": "crash", "status": ended.returncode}
            with log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(crashed) + "\n")
    outcomes = Counter(line["outcome"] for line in read_log(log)[:files])
    wrong = sum(count for outcome, count in outcomes.items() if outcome not in GOOD)
    print(json.dumps({"files": files, "seed": seed, **outcomes, "wrong": wrong}))
    raise typer.Exit(wrong > 0)


if __name__ == "__main__":
    typer.run(main)
