"""Table 1 and the length distributions of comparisons, over literal tables."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report

SOURCES = [
    {"table": "raw_a", "source": "a", "entry": "shp", "rows_in": 9},
    {"table": "preference_pairs", "source": "a", "entry": "shp", "rows_in": 5},
    {"table": "preference_pairs", "source": "b", "entry": "home_made", "rows_in": 1},
    {"table": "preference_pairs", "source": "empty", "entry": "shp", "rows_in": 0},
    {"table": "raw_c", "source": "c", "entry": "share_gpt", "rows_in": 7},
    {"table": "demonstrations", "source": "c", "entry": "share_gpt", "rows_in": 7},
]


def table(name, rows):
    return pl.DataFrame(rows, schema=schema_of(name))


def pair(pair_id, chosen, rejected, prompt_id="p", **changes):
    prompt = [{"role": "user", "content": "four"}, {"role": "assistant", "content": "é"}]
    return {
        "pair_id": pair_id, "source": "a", "prompt_id": prompt_id, "prompt": prompt,
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "split": "train", "margin": 1.0,
    } | changes  # fmt: skip


def tokens(pair_id, prompt, chosen, rejected, **changes):
    return {
        "pair_id": pair_id, "source": "a", "tokenizer_id": "t", "prompt_tokens": prompt,
        "chosen_tokens": chosen, "rejected_tokens": rejected,
    } | changes  # fmt: skip


def dropped(reason, **changes):
    return {"table": "preference_pairs", "source": "a", "reason": reason} | changes


@pytest.fixture
def tables():
    pairs = [
        pair("1", "xxx", "x"),
        pair("2", "x", "y"),
        pair("3", "x", "yyyyy", "q", split="reward_validation"),
    ]
    lost = [
        dropped("tie"),
        dropped("held_out_prompt"),
        dropped("tie", source="b"),
        dropped("no", table="prompts"),
    ]
    return {
        "source_rows": table("source_rows", SOURCES),
        "preference_pairs": table("preference_pairs", pairs),
        "dropped_rows": table("dropped_rows", lost),
        "preference_tokens": table(
            "preference_tokens", [tokens("1", 2, 4, 2), tokens("2", 4, 2, 2), tokens("3", 6, 3, 5)]
        ),
    }


def rows_of(name, frames):
    with connect_frames(frames) as connection:
        return report(connection, name)


def test_preference_statistics(tables):
    a, b, empty = rows_of("preference_statistics", tables).to_dicts()
    assert a == {
        "source": "a", "entry": "shp", "raw_rows": 9, "candidates": 5,
        "kept_pairs": 3, "paper_pairs": 93301, "kept_fraction": 0.6,
        "dropped_pairs": 1, "held_out_pairs": 1, "train_pairs": 2, "reward_validation_pairs": 1,
        "prompts": 2, "paper_prompts": 31003,
        "prompt_tokens": 4.0, "paper_prompt_tokens": 186.2,
        "chosen_tokens": 3.0, "paper_chosen_tokens": 173.6,
        "rejected_tokens": 3.0, "paper_rejected_tokens": 88.8, "tokenizer_id": "t",
        "prompt_chars": 5.0, "chosen_chars": pytest.approx(5 / 3),
        "rejected_chars": pytest.approx(7 / 3),
        "margin": 1.0, "longer_chosen_share": 0.5,
    }  # fmt: skip
    assert (b["source"], b["candidates"], b["kept_pairs"], b["dropped_pairs"]) == ("b", 1, 0, 1)
    assert (b["kept_fraction"], b["chosen_chars"], b["paper_pairs"]) == (0.0, None, None)
    assert (empty["source"], empty["kept_fraction"], empty["paper_pairs"]) == ("empty", None, 93301)


def test_a_report_before_tokens_are_counted_has_none(tables):
    del tables["preference_tokens"]
    first = rows_of("preference_statistics", tables).row(0, named=True)
    assert (first["kept_pairs"], first["chosen_tokens"], first["tokenizer_id"]) == (3, None, None)
    assert set(rows_of("length_statistics", tables)["unit"]) == {"chars"}


def test_pairs_whose_source_is_not_on_record_are_shown(tables):
    del tables["source_rows"]
    first = rows_of("preference_statistics", tables).row(0, named=True)
    assert (first["kept_pairs"], first["candidates"], first["kept_fraction"]) == (3, None, None)


def test_two_tokenizers_are_two_rows(tables):
    other = table("preference_tokens", [tokens("1", 9, 9, 9, tokenizer_id="u")])
    tables["preference_tokens"] = pl.concat([tables["preference_tokens"], other])
    found = rows_of("preference_statistics", tables).filter(source="a")
    assert found.select("tokenizer_id", "prompt_tokens", "kept_pairs").rows() == [
        ("t", 4.0, 3),
        ("u", 9.0, 3),
    ]


def test_length_statistics(tables):
    found = rows_of("length_statistics", tables)
    shown = found.select("source", "part", "unit", "pairs", "mean", "min", "median", "max")
    assert shown.rows() == [
        ("a", "prompt", "chars", 3, 5.0, 5, 5.0, 5),
        ("a", "chosen", "chars", 3, pytest.approx(5 / 3), 1, 1.0, 3),
        ("a", "rejected", "chars", 3, pytest.approx(7 / 3), 1, 1.0, 5),
        ("a", "prompt", "tokens", 3, 4.0, 2, 4.0, 6),
        ("a", "chosen", "tokens", 3, 3.0, 2, 3.0, 4),
        ("a", "rejected", "tokens", 3, 3.0, 2, 2.0, 5),
    ]
    prompts = found.filter(part="prompt", unit="tokens").row(0, named=True)
    quantiles = [prompts[name] for name in ("p05", "p25", "p75", "p95", "p99")]
    assert quantiles == pytest.approx([2.2, 3.0, 5.0, 5.8, 5.96])
    assert prompts["sd"] == pytest.approx(2.0)
