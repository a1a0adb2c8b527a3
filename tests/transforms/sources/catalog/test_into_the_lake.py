"""One source on its whole way: from a file of JSON lines to a real lake, row by row accounted."""

import json

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.sources import SourceSettings
from transforms.sources.intake.ingest import ingest, standardise_pairs
from transforms.sources.intake.sources import resolve


def shp(history, ref, *, ratio=3.0, labels=1):
    return {
        "post_id": "p1",
        "domain": "askculinary_train",
        "history": history,
        "human_ref_A": "A says",
        "human_ref_B": ref,
        "labels": labels,
        "score_A": 9,
        "score_B": 3,
        "score_ratio": ratio,
        "seconds_difference": 2.0,
    }


def in_training(pairs):
    placed = pairs.with_columns(split=pl.lit("train")).select(list(schema_of("preference_pairs")))
    return placed, pl.DataFrame(schema=schema_of("dropped_rows"))


def test_shp_from_a_file_to_pairs_and_ledger(tmp_path):
    rows = [shp("one\u2028post", f"b{n}") for n in range(7)]
    rows += [
        shp("another", "b", ratio=2.0),
        shp("another", "b"),
        shp("another", "b"),
        shp("another", "c", labels=0),
        shp(None, "b"),
        shp("x" * 100_000, "b"),
        shp("another", 7),
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "shp.jsonl").write_text("\n".join([*lines, '{"history": "cut']) + "\n", "utf-8")
    lake = Lake(tmp_path / "lake")
    source = resolve("shp", SourceSettings(files=(str(tmp_path / "shp.jsonl"),)))

    ingest(lake, source)
    candidates = standardise_pairs(lake, source, in_training)

    raw, kept, dropped = (lake.read(t) for t in ("raw_shp", "preference_pairs", "dropped_rows"))
    malformed = dropped.filter(table="raw_shp")
    assert dict(malformed.select("row_key", "reason").rows()) == {
        "shp.jsonl:14": "malformed_row",
        "shp.jsonl:15": "malformed_row",
    }
    assert raw.height == candidates == len(rows) - 1
    out = dropped.filter(table="preference_pairs")
    assert sorted([*kept["row_key"], *out["row_key"]]) == sorted(raw["row_key"])
    by_reason = out.group_by("reason").agg(pl.col("row_key").sort()).sort("reason")
    assert dict(by_reason.filter(pl.col("reason") != "prompt_limit").rows()) == {
        "duplicate_pair": ["shp.jsonl:10"],
        "label_conflict": ["shp.jsonl:11"],
        "missing_value": ["shp.jsonl:12"],
        "score_ratio": ["shp.jsonl:8"],
    }
    over = out.filter(reason="prompt_limit")["row_key"]
    assert over.len() == 2
    assert set(over) < {f"shp.jsonl:{n}" for n in range(1, 8)}
    first = kept.filter(pl.col("row_key").is_in([f"shp.jsonl:{n}" for n in range(1, 8)]))
    assert first["prompt"].to_list() == [[{"role": "user", "content": "one\u2028post"}]] * 5
