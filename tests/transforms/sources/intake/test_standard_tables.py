"""Standard tables are brought up to date source by source."""

import json

import pytest

from transforms.lake.lake import Lake
from transforms.prompts.splits import hold_out_pairs
from transforms.settings.prompts import SplitSettings
from transforms.settings.sources import SourceSettings
from transforms.sources.intake import standard_tables
from transforms.sources.intake.ingest import ingest, standardise_pairs
from transforms.sources.intake.sources import resolve

TEXT = "\n\nHuman: {}\n\nAssistant: {}"


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def source(tmp_path, lake):
    """Make a source of a few comparisons with its raw table."""

    def make(name, pairs=3, **settings):
        file = tmp_path / f"{name}.jsonl"
        rows = [
            {
                "chosen": TEXT.format(f"{name} {n}", "yes"),
                "rejected": TEXT.format(f"{name} {n}", "no"),
            }
            for n in range(pairs)
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        made = resolve(name, SourceSettings(entry="hh_rlhf", files=(str(file),), **settings))
        ingest(lake, made)
        return made

    return make


def refresh(lake, *sources, **settings):
    def hold_out(pairs):
        return hold_out_pairs(pairs, SplitSettings(), 3)

    return standard_tables.refresh(
        lake, "preference_pairs", sources, settings, lambda s: standardise_pairs(lake, s, hold_out)
    )


def counts(lake):
    rows = lake.read("preference_pairs")["source"].to_list()
    rows += lake.read("dropped_rows", table="preference_pairs")["source"].to_list()
    return {name: rows.count(name) for name in rows}


def test_only_what_changed_is_done_again(lake, source):
    a, b = source("a"), source("b")
    assert refresh(lake, a, b) == ["a", "b"]
    assert refresh(lake, a, b) == []
    b = source("b", pairs=4)
    assert refresh(lake, a, b) == ["b"]
    assert counts(lake) == {"a": 3, "b": 4}


def test_an_option_touches_its_source_and_a_setting_all(lake, source):
    a, b = source("a"), source("b")
    refresh(lake, a, b)
    b = source("b", options={"system_turn": "fold"})
    assert refresh(lake, a, b) == ["b"]
    assert refresh(lake, a, b, splits="others") == ["a", "b"]


def test_a_mended_rule_makes_slices_old(lake, source, monkeypatch):
    a = source("a")
    refresh(lake, a)
    monkeypatch.setattr(standard_tables, "code_of_rules", lambda: "mended")
    assert refresh(lake, a) == ["a"]


def test_a_source_that_the_recipe_no_longer_names_leaves_no_row(lake, source):
    a, b = source("a"), source("b")
    refresh(lake, a, b)
    before = lake.height("preference_pairs"), lake.version("preference_pairs")
    assert refresh(lake, a) == []
    assert counts(lake) == {"a": 3}
    assert set(lake.read("source_rows", table="preference_pairs")["source"]) == {"a"}
    assert lake.read("preference_pairs", before[1]).height == before[0]
