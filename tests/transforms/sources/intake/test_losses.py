"""A source that loses its rows: a warning with reasons and an example, or an error."""

import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.prompts import splits
from transforms.prompts.collection import write_prompts
from transforms.prompts.splits import hold_out_demonstrations, hold_out_pairs
from transforms.settings.prompts import PromptSettings, SplitSettings
from transforms.settings.sources import MixtureSource, SourceSettings
from transforms.sources.intake.ingest import ingest, standardise_demonstrations, standardise_pairs
from transforms.sources.intake.losses import find_left_out, find_losses
from transforms.sources.intake.mixtures import write_mixtures
from transforms.sources.intake.sources import resolve
from transforms.sources.intake.standard_tables import update_slices

TABLES = ("preference_pairs", "demonstrations", "prompts")


def conversation(n, answer, user="Human"):
    return f"\n\n{user}: question {n}\n\nAssistant: {answer}"


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def hh(tmp_path, lake):
    """A source of sound pairs and of pairs whose turns have another marker."""

    def make(sound, other):
        users = ["Human"] * sound + ["User"] * other
        rows = [
            {name: conversation(n, answer, user) for name, answer in SIDES.items()}
            for n, user in enumerate(users)
        ]
        file = tmp_path / "pairs.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        source = resolve("hh", SourceSettings(entry="hh_rlhf", files=(str(file),)))
        ingest(lake, source)
        return source

    return make


SIDES = {"chosen": "yes", "rejected": "no"}


NO_SPLITS = SplitSettings(
    evaluation_fraction=1e-9, validation_fraction=1e-9, reward_validation_fraction=1e-9
)


def fill(lake, table, source):
    if table == "prompts":
        write_prompts(lake, [source], PromptSettings(near_duplicates=None), screened=False)
        return
    hold_out, standardise = {
        "preference_pairs": (hold_out_pairs, standardise_pairs),
        "demonstrations": (hold_out_demonstrations, standardise_demonstrations),
    }[table]
    update_slices(
        lake,
        table,
        [source],
        {},
        lambda one: standardise(lake, one, lambda rows: hold_out(rows, NO_SPLITS, 3)),
    )


@pytest.mark.parametrize("table", TABLES)
def test_a_source_of_which_nothing_is_kept_is_an_error_and_the_table_stays(lake, hh, table):
    fill(lake, table, hh(sound=4, other=0))
    before = {name: lake.read(name) for name in (table, "dropped_rows")}
    source = hh(sound=0, other=3)
    with pytest.raises(InputError) as error:
        fill(lake, table, source)
    said = str(error.value)
    assert f"no row of source hh can enter {table}" in said
    assert "3 rows, all dropped: 3 odd_turns. " in said or "3 role_order. " in said
    assert "Example: pairs.jsonl:1, " in said
    assert "User: question 0" in said
    assert "prefloop sources" in said
    for name, rows in before.items():
        assert lake.read(name, **({"table": table} if name == "dropped_rows" else {})).equals(
            rows.filter(rows["table"] == table) if name == "dropped_rows" else rows
        )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("sound", "other", "warned"), [(4, 0, False), (5, 4, False), (4, 4, True)])
def test_a_source_that_loses_half_of_its_rows_is_a_warning(lake, hh, table, sound, other, warned):
    fill(lake, table, hh(sound, other))
    losses = find_losses(lake, table)
    assert len(losses) == warned
    if warned:
        assert losses[0].startswith("4 of 8 rows of source hh are dropped: 4 ")
        assert f"Example: pairs.jsonl:{sound + 1}, " in losses[0]
        assert "User: question" in losses[0]


def test_rows_that_do_not_fit_the_columns_are_a_warning_of_the_raw_table(lake, tmp_path):
    sound = json.dumps({name: conversation(1, text) for name, text in SIDES.items()})
    file = tmp_path / "pairs.jsonl"
    file.write_text(f'{sound}\n{{"chosen": 3}}\n', encoding="utf-8")
    ingest(lake, resolve("hh", SourceSettings(entry="hh_rlhf", files=(str(file),))))
    [loss] = find_losses(lake, "raw_hh")
    assert loss.startswith("1 of 2 rows of source hh are dropped: 1 malformed_row. Example: pairs")
    assert "got `int`" in loss


def test_a_source_whose_prompts_are_all_held_out_is_a_warning_and_its_mixture_an_error(
    lake, hh, monkeypatch
):
    monkeypatch.setattr(splits, "assign_split", lambda *_: pl.lit("evaluation"))
    fill(lake, "preference_pairs", hh(sound=3, other=0))
    [loss] = find_losses(lake, "preference_pairs")
    assert loss.startswith("3 of 3 rows of source hh are dropped: 3 held_out_prompt")
    with pytest.raises(InputError, match=r"(?s)mixture m has no pairs.*held out"):
        write_mixtures(lake, {"m": {"hh": MixtureSource()}})
    assert not lake.exists("mixture_pairs")


def test_a_mixture_whose_pairs_all_contradict_each_other_is_an_error(lake, tmp_path):
    for name, sides in (("a", ("x", "y")), ("b", ("y", "x"))):
        file = tmp_path / f"{name}.jsonl"
        row = dict(zip(SIDES, (conversation(1, side) for side in sides), strict=True))
        file.write_text(json.dumps(row) + "\n", encoding="utf-8")
        source = resolve(name, SourceSettings(entry="hh_rlhf", files=(str(file),)))
        ingest(lake, source)
        standardise_pairs(lake, source, lambda rows: hold_out_pairs(rows, NO_SPLITS, 3))
    parts = {"a": MixtureSource(), "b": MixtureSource()}
    with pytest.raises(InputError, match=r"(?s)mixture m has no pairs.*2 contradicted. Example"):
        write_mixtures(lake, {"m": parts})


@pytest.mark.parametrize(("lost", "kept", "warns"), [(67, 13, True), (1, 9, True), (1, 10, False)])
def test_a_training_that_leaves_out_a_tenth_is_a_warning(lost, kept, warns):
    reasons = ["too_long"] * (lost - 1) + ["equal_tokens"]
    dropped = pl.DataFrame({"row_key": "k", "reason": reasons, "evidence": ""})
    assert (find_left_out(dropped, kept) is not None) is warns


def test_the_warning_counts_reasons():
    dropped = pl.DataFrame({"row_key": "k", "reason": ["a", "b", "b"], "evidence": ""})
    assert find_left_out(dropped, 1).startswith("3 of 4 examples are left out (2 b, 1 a): dropped_")
    assert find_left_out(dropped.clear(), 0) is None
