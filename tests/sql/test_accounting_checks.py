"""Checks that nothing vanishes on the way from a file to a mixture."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import check, connect_frames


def table(name, *rows):
    """Build a table's rows; columns that a test does not name are null."""
    return pl.DataFrame(rows, schema=schema_of(name))


def account(rows_in, table_name="preference_pairs", source="s"):
    return table("source_rows", {"table": table_name, "source": source, "rows_in": rows_in})


def pairs(*keys, source="s", split="train"):
    rows = [
        {"source": source, "row_key": k, "pair_id": f"{source}{k}", "split": split} for k in keys
    ]
    return table("preference_pairs", *rows)


def dropped(*keys, table_name="preference_pairs", source="s"):
    rows = [{"table": table_name, "source": source, "row_key": key} for key in keys]
    return table("dropped_rows", *rows)


def raw(*keys):
    return pl.DataFrame({"row_key": keys}, schema={"row_key": pl.String})


def failures(name, **frames):
    with connect_frames(frames) as connection:
        return check(connection, name)


@pytest.mark.parametrize(("rows_in", "failing"), [(3, 0), (2, 1), (4, 1)])
def test_kept_and_dropped_add_up_to_what_came_in(rows_in, failing):
    found = failures(
        "kept_and_dropped_add_up",
        source_rows=account(rows_in),
        preference_pairs=pairs("a", "b"),
        dropped_rows=dropped("c"),
    )
    assert found.height == failing
    assert found.select("table", "source").rows() == [("preference_pairs", "s")] * failing


def test_a_source_of_which_nothing_is_left_does_not_add_up():
    assert failures("kept_and_dropped_add_up", source_rows=account(1)).height == 1


def test_raw_tables_add_up_too():
    frames = {"source_rows": account(2, "raw_s"), "raw_s": raw("a")}
    assert failures("kept_and_dropped_add_up", **frames).height == 1
    frames["dropped_rows"] = dropped("b", table_name="raw_s")
    assert failures("kept_and_dropped_add_up", **frames).is_empty()


def test_demonstrations_and_prompts_add_up_too():
    for name in ("demonstrations", "prompts"):
        frames = {"source_rows": account(1, name), name: table(name, {"source": "s"})}
        assert failures("kept_and_dropped_add_up", **frames).is_empty()
        frames["source_rows"] = account(2, name)
        assert failures("kept_and_dropped_add_up", **frames)["table"].to_list() == [name]


def test_every_raw_row_is_found_in_a_key_of_either_kind():
    frames = {
        "source_rows": account(0),
        "raw_s": raw("f:1", "f:2", "f:3", "f:4"),
        "preference_pairs": pairs("f:1#0,2", "f:2|f:3", "f:1#0"),
    }
    assert failures("every_raw_row_found", **frames).rows() == [("preference_pairs", "s", "f:4")]
    frames["dropped_rows"] = dropped("f:4#1,0")
    assert failures("every_raw_row_found", **frames).is_empty()


def test_a_raw_row_found_for_another_source_does_not_count():
    frames = {
        "source_rows": account(0),
        "raw_s": raw("f:1"),
        "preference_pairs": pairs("f:1", source="t"),
    }
    assert failures("every_raw_row_found", **frames).height == 1


def mixed(*keys, mixture="all", source="s"):
    rows = [{"mixture": mixture, "source": source, "pair_id": f"{source}{key}"} for key in keys]
    return table("mixture_pairs", *rows)


def test_training_pairs_are_mixed_or_dropped():
    frames = {"preference_pairs": pairs("a", "b", "c"), "mixture_pairs": mixed("a", "b")}
    assert failures("mixed_and_dropped_make_train", **frames).height == 1
    frames["dropped_rows"] = dropped("c", table_name="mixture_all")
    assert failures("mixed_and_dropped_make_train", **frames).is_empty()


def test_a_source_that_no_mixture_has_fails_but_a_named_mixture_may_lack_one():
    frames = {"preference_pairs": pairs("a")}
    assert failures("mixed_and_dropped_make_train", **frames)["mixture"].to_list() == ["all"]
    frames["mixture_pairs"] = pl.concat([mixed("a"), mixed("x", mixture="mix1", source="t")])
    assert failures("mixed_and_dropped_make_train", **frames).is_empty()


def test_pairs_that_validate_the_reward_model_are_in_no_mixture():
    frames = {"preference_pairs": pairs("a", split="reward_validation")}
    assert failures("mixed_and_dropped_make_train", **frames).is_empty()
