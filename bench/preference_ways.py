"""Worker process of `bench/preferences.py`: preparation of pairs by this project or by the peer.

    python bench/preference_ways.py ours FOLDER

Reads lines of JSON, [rows file, ids file or null], from standard input. For each line it prepares
the rows in a new folder below FOLDER, and prints one line of JSON with the seconds.
"""

import hashlib
import json
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Stages = dict[str, Callable[[], Any]]


def prepare_ours(file: Path, place: Path) -> tuple[Stages, Callable[[], list[str]]]:
    """Prepare with this project: a raw table, then standard pairs, both with the ledger."""
    import polars as pl

    from transforms.lake.lake import Lake
    from transforms.lake.schemas import schema_of
    from transforms.settings.sources import SourceSettings
    from transforms.sources.intake.ingest import ingest, standardise_pairs
    from transforms.sources.intake.sources import resolve

    lake = Lake(place)
    source = resolve("hh_rlhf", SourceSettings(files=(str(file),)))

    def hold_out_none(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        split = pairs.with_columns(split=pl.lit("train"))
        return split, pl.DataFrame(schema=schema_of("dropped_rows"))

    def read_kept_ids() -> list[str]:
        return lake.scan("preference_pairs").select("pair_id").collect().to_series().to_list()

    stages = {
        "ingest": lambda: ingest(lake, source),
        "standardise": lambda: standardise_pairs(lake, source, hold_out_none),
    }
    return stages, read_kept_ids


def prepare_peer(file: Path, place: Path) -> tuple[Stages, Callable[[], list[str]]]:
    """Prepare with Hugging Face `datasets`: load, map, filter, parquet."""
    import datasets

    datasets.disable_progress_bars()
    rows: datasets.Dataset | None = None

    def load() -> None:
        nonlocal rows
        cache = str(place / "cache")  # a new cache, so that no step is skipped
        rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=cache)

    def standardise() -> None:
        nonlocal rows
        rows = rows.map(standardise_row, num_proc=2)

    def keep() -> None:
        nonlocal rows
        rows = rows.filter(is_pair, num_proc=2)

    stages = {
        "load": load,
        "map": standardise,
        "filter": keep,
        "to_parquet": lambda: rows.to_parquet(place / "pairs.parquet"),
    }
    return stages, lambda: list(rows["pair_id"])


MARKER = re.compile(r"\n\n(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def standardise_row(row: dict[str, str]) -> dict[str, Any]:
    """Read both transcripts as turns, and identify prompt and pair."""
    chosen, rejected = split_turns(row["chosen"]), split_turns(row["rejected"])
    prompt = write_canonical(chosen[:-1])
    pair = "\x1d".join((prompt, write_canonical(chosen[-1:]), write_canonical(rejected[-1:])))
    return {
        "chosen": chosen,
        "rejected": rejected,
        "prompt": chosen[:-1],
        "prompt_id": digest(prompt),
        "pair_id": digest(pair),
    }


def split_turns(text: str) -> list[dict[str, str]]:
    """Split a transcript at its markers."""
    lead, *parts = MARKER.split(text)
    system = [{"role": "system", "content": lead.strip()}] if lead.strip() else []
    spoken = zip(parts[::2], parts[1::2], strict=True)
    return system + [{"role": ROLES[who], "content": said.strip()} for who, said in spoken]


def write_canonical(messages: list[dict[str, str]]) -> str:
    """Write messages as the text for the hash."""
    return "".join(f"{turn['role']}\x1f{turn['content']}\x1e" for turn in messages)


def digest(text: str) -> str:
    """Hash a text as `transforms.identity` does."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_pair(row: dict[str, Any]) -> bool:
    """Check whether a row passes the structural filter."""
    chosen, rejected = row["chosen"], row["rejected"]
    if not chosen or len(chosen) != len(rejected) or len(chosen) % 2:
        return False
    for number, (one, other) in enumerate(zip(chosen, rejected, strict=True)):
        role = "assistant" if number % 2 else "user"
        if one["role"] != role or other["role"] != role:
            return False
        if not one["content"] or not other["content"]:
            return False
    return chosen[:-1] == rejected[:-1] and chosen[-1] != rejected[-1]


def read_processor_s() -> float:
    """Read the processor time of this process and of its ended children, in seconds."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(way: str, folder: str) -> None:
    """Prepare the files from standard input."""
    for line in sys.stdin:
        file, ids_file = json.loads(line)
        place = Path(tempfile.mkdtemp(dir=folder))
        stages, read_kept_ids = {"ours": prepare_ours, "peer": prepare_peer}[way](Path(file), place)
        cpu_started, stages_s = read_processor_s(), {}
        for name, stage in stages.items():
            started = time.perf_counter()
            stage()
            stages_s[name] = time.perf_counter() - started
        run = {
            "wall_s": sum(stages_s.values()),
            "cpu_s": read_processor_s() - cpu_started,
            "stages_s": stages_s,
        }
        if ids_file:
            Path(ids_file).write_text("\n".join(sorted(read_kept_ids())))
        shutil.rmtree(place)
        print(json.dumps(run), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
