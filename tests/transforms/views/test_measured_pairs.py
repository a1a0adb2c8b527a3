import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views import query, statements
from transforms.views.measured_pairs import scan_measured_pairs


def pair(pair_id, chosen, rejected, prompt=("?",)):
    turns = {
        "prompt": [{"role": "user", "content": text} for text in prompt],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }
    return {"pair_id": pair_id, "prompt_id": "p", "source": "s", "split": "train", **turns}


def pairs(*rows):
    return pl.DataFrame(rows, schema=schema_of("preference_pairs"))


def test_lengths_are_characters_and_prompts_are_sums():
    frames = [pairs(pair("x", "né", "", ("a", "bcd"))), pairs(pair("y", "b", "b"))]
    found = scan_measured_pairs(lambda: frames).collect()
    measured = "pair_id", "prompt_chars", "chosen_chars", "rejected_chars", "same_text"
    assert found.select(measured).rows() == [("x", 4, 2, 0, None), ("y", 1, 1, 1, "b")]


def test_frames_are_selected_like_a_table():
    frames = [pairs(pair("x", "a", "b"), pair("y", "b", "b")), pairs(pair("z", "cc", "b"))]
    scan = scan_measured_pairs(lambda: frames)
    assert scan.select("pair_id").head(1).collect().rows() == [("x",)]
    assert scan.filter(pl.col("chosen_chars") > 1).select("pair_id").collect().rows() == [("z",)]
    assert scan_measured_pairs(list).collect().is_empty()


def test_sql_measures_as_before(tmp_path):
    """The lengths of SQL over all texts, which are in memory at once."""
    rows = pairs(pair("x", "né", "", ("a", "bcd")), pair("y", "b😀", "b"))
    lake = Lake(tmp_path)
    lake.overwrite("preference_pairs", rows)
    direct = """select pair_id, list_sum([length(turn.content) for turn in prompt])::bigint,
        length(chosen[1].content), length(rejected[1].content) from preference_pairs"""
    measured = "select pair_id, prompt_chars, chosen_chars, rejected_chars from preference_lengths"
    with query.connect(lake) as connection:
        assert query.query(connection, measured).rows() == query.query(connection, direct).rows()
    names = statements.find_names("reports", ["length_statistics"])
    with query.connect(lake, names=names) as connection:
        assert query.query(connection, measured).height == 2
    lake.overwrite("preference_pairs", rows.head(1))
    for versions, height in (
        ({}, 1),
        ({"preference_pairs": 0}, 2),
        ({"preference_pairs": None}, 0),
    ):
        with query.connect(lake, versions) as connection:
            assert query.query(connection, measured).height == height


def test_a_null_partition_has_its_rows(tmp_path):
    lake = Lake(tmp_path)
    lake.overwrite("preference_pairs", pairs(pair("x", "a", "b") | {"source": None}))
    assert pl.concat(lake.read_frames("preference_pairs"))["pair_id"].to_list() == ["x"]
