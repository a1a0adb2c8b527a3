"""Standard tables are brought up to date source by source."""

import json

import pytest

from transforms.lake.lake import Lake
from transforms.prompts.collection import write_prompts
from transforms.prompts.splits import hold_out_demonstrations, hold_out_pairs
from transforms.settings.prompts import PromptSettings, SplitSettings
from transforms.settings.sources import SourceSettings
from transforms.sources.intake import standard_tables
from transforms.sources.intake.ingest import ingest, standardise_demonstrations, standardise_pairs
from transforms.sources.intake.sources import resolve
from transforms.views.query import check, connect

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

    return standard_tables.update_slices(
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


def test_a_source_with_three_roles_is_stored_once_and_adds_up_in_each_table(lake, source):
    settings = SplitSettings(evaluation_fraction=0.3)
    one = source("a", pairs=40, roles=("preferences", "demonstrations", "prompts"))
    version = lake.version("raw_a")
    parts = {
        "preference_pairs": lambda s: standardise_pairs(
            lake, s, lambda rows: hold_out_pairs(rows, settings, 3)
        ),
        "demonstrations": lambda s: standardise_demonstrations(
            lake, s, lambda rows: hold_out_demonstrations(rows, settings, 3)
        ),
    }
    for table, standardise in parts.items():
        assert standard_tables.update_slices(lake, table, [one], {}, standardise) == ["a"]
    write_prompts(lake, [one], PromptSettings(), screened=False)

    assert lake.version("raw_a") == version
    rows_in = lake.read("source_rows").sort("table").select("table", "source", "rows_in").rows()
    tables = ("demonstrations", "preference_pairs", "prompts", "raw_a")
    assert rows_in == [(table, "a", 40) for table in tables]
    for table in ("demonstrations", "preference_pairs"):
        held_out = lake.read("dropped_rows", table=table)
        assert set(held_out["reason"]) == {"held_out_prompt"}
        assert lake.height(table) + held_out.height == 40
    assert lake.height("prompts") == 40
    with connect(lake) as connection:
        assert check(connection, "kept_and_dropped_add_up").is_empty()
        assert check(connection, "every_raw_row_found").is_empty()


def test_an_option_touches_its_source_and_a_setting_all(lake, source):
    a, b = source("a"), source("b")
    refresh(lake, a, b)
    b = source("b", options={"system_turn": "fold"})
    assert refresh(lake, a, b) == ["b"]
    assert refresh(lake, a, b, splits="others") == ["a", "b"]


def test_every_pattern_of_the_rules_code_names_a_module():
    for pattern in standard_tables.RULE_CODE:
        assert any(standard_tables.PACKAGE.glob(pattern)), pattern


@pytest.mark.parametrize(
    ("text", "changed"),
    [('"""A docstring."""\n# a comment\nRULE = 1\n', False), ("RULE = 2\n", True)],
)
def test_only_the_code_of_a_rule_counts(tmp_path, monkeypatch, text, changed):
    monkeypatch.setattr(standard_tables, "PACKAGE", tmp_path)
    monkeypatch.setattr(standard_tables, "RULE_CODE", ("*.py",))
    (tmp_path / "rule.py").write_text("RULE = 1\n")
    before = standard_tables.hash_rule_code.__wrapped__()
    (tmp_path / "rule.py").write_text(text)
    assert (standard_tables.hash_rule_code.__wrapped__() != before) is changed


def test_a_mended_rule_makes_slices_old(lake, source, monkeypatch):
    a = source("a")
    refresh(lake, a)
    monkeypatch.setattr(standard_tables, "hash_rule_code", lambda: "corrected")
    assert refresh(lake, a) == ["a"]


def test_a_source_that_the_recipe_no_longer_names_leaves_no_row(lake, source):
    a, b = source("a"), source("b")
    refresh(lake, a, b)
    before = lake.height("preference_pairs"), lake.version("preference_pairs")
    assert refresh(lake, a) == []
    assert counts(lake) == {"a": 3}
    assert set(lake.read("source_rows", table="preference_pairs")["source"]) == {"a"}
    assert lake.read("preference_pairs", before[1]).height == before[0]
