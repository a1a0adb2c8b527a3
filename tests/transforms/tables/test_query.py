import polars as pl
import pytest

from transforms.errors import InputError
from transforms.tables import query
from transforms.tables.lake import Lake
from transforms.tables.schemas import MESSAGES, SCHEMAS


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    for version, reward in enumerate((1.0, 2.0)):
        rows = pl.DataFrame(
            [("a", 1, "p", 0, "reward_model", "rm", "r", "pi", "s", reward)],
            schema=SCHEMAS["scores"],
            orient="row",
        )
        assert lake.overwrite("scores", rows, experiment="a", iteration=1) == version
    return lake


def test_tables_are_read_at_their_last_or_a_named_version(lake):
    statement = "select reward from scores where experiment = 'a'"
    with query.connect(lake) as connection:
        assert query.query(connection, statement)["reward"].to_list() == [2.0]
    with query.connect(lake, {"scores": 0}) as connection:
        assert query.query(connection, statement)["reward"].to_list() == [1.0]
    with pytest.raises(InputError, match="table prompts is missing"):
        query.connect(lake, {"prompts": 0})


def test_raw_tables_with_nested_columns_can_be_queried(lake):
    messages = [[{"role": "user", "content": "q"}]]
    rows = pl.DataFrame(
        {"row_key": ["x:1"], "messages": messages},
        schema={"row_key": pl.String, "messages": MESSAGES},
    )
    lake.overwrite("raw_x", rows)
    with query.connect(lake) as connection:
        assert query.query(connection, "from raw_x").equals(rows)


def test_every_check_and_report_runs_on_delta_tables(lake):
    for table, schema in SCHEMAS.items():
        lake.append(table, pl.DataFrame(schema=schema).clear(1))
    with query.connect(lake) as connection:
        for name in query.checks():
            query.check(connection, name)
        for name in query.reports():
            query.report(connection, name)


def test_tables_that_were_never_written_are_empty(lake):
    with query.connect(lake) as connection:
        tables = set(query.query(connection, "show tables")["name"])
        assert tables >= set(SCHEMAS) | {"scored_responses", "pair_lengths", "preference_lengths"}
        assert query.query(connection, "from checkpoints").is_empty()


@pytest.mark.parametrize(
    "statement",
    [
        "from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "copy scores to '{folder}/out.csv'",
        "attach '{folder}/other.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set threads = 1",
        "from python_variable",
    ],
)
def test_the_connection_reads_the_lake_and_nothing_else(lake, tmp_path, statement):
    python_variable = pl.DataFrame({"a": [1]})
    before = sorted(tmp_path.rglob("*"))
    with query.connect(lake) as connection, pytest.raises(InputError, match="cannot be run"):
        query.query(connection, statement.format(folder=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before
    assert python_variable.height == 1


def test_tables_cannot_be_written(lake):
    with query.connect(lake) as connection, pytest.raises(InputError):
        query.query(connection, "insert into scores select * from scores")
    assert lake.version("scores") == 1


def test_an_unknown_report_is_refused_with_the_known_ones():
    with query.connect_frames({}) as connection:
        with pytest.raises(InputError, match="iteration_progress"):
            query.report(connection, "progress")
        with pytest.raises(InputError, match="no check is called"):
            query.check(connection, "../reports/iteration_progress")


def test_within_keeps_a_slice_of_failures():
    rows = pl.DataFrame({"experiment": ["a", "b"], "n": [1, 2]})
    assert query.within(rows, {"experiment": "a", "iteration": 1})["n"].to_list() == [1]
    assert query.within(rows, {}).equals(rows)
