import duckdb
import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.views import query, statements


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    for version, reward in enumerate((1.0, 2.0)):
        rows = pl.DataFrame(
            [("a", 1, "p", 0, "reward_model", "rm", "r", "pi", "s", reward)],
            schema=schema_of("scores"),
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


def test_no_progress_bar_is_printed_among_the_rows(lake):
    statement = "select current_setting('enable_progress_bar')"
    with query.connect(lake) as connection:
        assert query.query(connection, statement).item() is False


def test_raw_tables_with_nested_columns_can_be_queried(lake):
    messages = [[{"role": "user", "content": "q"}]]
    rows = pl.DataFrame(
        {"row_key": ["x:1"], "messages": messages},
        schema={"row_key": pl.String, "messages": MESSAGES},
    )
    lake.overwrite("raw_x", rows)
    with query.connect(lake) as connection:
        assert query.query(connection, "from raw_x").equals(rows)


def test_every_check_and_report_runs_on_the_delta_tables_that_it_reads(lake):
    for table in (*TABLES, "raw_x"):
        schema = schema_of(table) if table in TABLES else {"row_key": pl.String}
        lake.append(table, pl.DataFrame(schema=schema).clear(1))
    for name in statements.list_checks():
        with query.connect(lake, names=statements.find_names("checks", [name])) as connection:
            query.check(connection, name)
    for name in statements.list_reports():
        query.run_report(lake, name)


def test_only_named_tables_and_views_are_opened(lake):
    with query.connect(lake, names={"scores"}) as connection:
        assert query.query(connection, "select count(*) from scores").item() == 1
        with pytest.raises(InputError, match="prompts does not exist"):
            query.query(connection, "from prompts")


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("select 1", set()),
        ("from SCORES, prompts", {"scores", "prompts"}),
        ('select * from (select * from "scores")', {"scores"}),
        ("from table_history", {"table_history"}),
        ("from iteration_progress", {"iteration_progress", "evaluation_results"}),
        ("with best as (select 1) from best", None),
        ("from scoress", None),
        ("show tables", None),
        ("from duckdb_tables()", None),
        ("from query_table('sco' || 'res')", None),
    ],
)
def test_a_query_opens_what_it_may_read(lake, text, opened):
    with query.connect_with_reports(lake, text=text) as connection:
        found = set(query.query(connection, "show tables")["name"])
    every = found >= {*TABLES, *statements.list_reports(), *statements.list_views()}
    assert every if opened is None else opened <= found and not every


def test_the_error_about_an_unknown_name_contains_a_similar_one(lake):
    with (
        query.connect_with_reports(lake, text="from scoress") as connection,
        pytest.raises(InputError, match='Did you mean "scores"'),
    ):
        query.query(connection, "from scoress")


def test_tables_that_were_never_written_are_empty(lake):
    with query.connect(lake) as connection:
        tables = set(query.query(connection, "show tables")["name"])
        assert tables >= set(TABLES) | {"scored_responses", "pair_lengths", "preference_lengths"}
        assert query.query(connection, "from checkpoints").is_empty()


REACHING_OUT = [
    "from read_csv('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from read_blob('{folder}/tables/scores/_delta_log/00000000000000000000.json')",
    "from read_parquet('{folder}/tables/scores/**/*.parquet')",
    "from glob('/etc/*')",
    "from '/etc/passwd'",
    "from query('copy scores to ''{folder}/out.csv''')",
    "copy scores to '{folder}/out.csv'",
    "export database '{folder}/out'",
    "attach '{folder}/other.db'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set threads = 1",
    "reset lock_configuration",
    "pragma enable_external_access",
    "pragma temp_directory='{folder}/out'",
    "call enable_logging()",
    "from python_variable",
]


@pytest.mark.parametrize("statement", REACHING_OUT)
def test_the_connection_reads_the_lake_and_nothing_else(lake, tmp_path, statement):
    python_variable = pl.DataFrame({"a": [1]})
    before = sorted(tmp_path.rglob("*"))
    with (
        query.connect_with_reports(lake) as connection,
        pytest.raises(InputError, match="cannot be run"),
    ):
        query.query(connection, statement.format(folder=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before
    assert python_variable.height == 1


@pytest.mark.parametrize(
    "statement",
    [
        "copy scores to '{folder}/out.csv'",
        "from read_csv('/etc/passwd')",
        "attach '{folder}/other.db'",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "insert into scores select * from scores",
    ],
)
def test_duckdb_itself_refuses_what_reaches_out(lake, tmp_path, statement):
    with query.connect(lake) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(folder=tmp_path)).fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into scores select * from scores",
        "create or replace table scores as select 1",
        "create or replace view scores as select 1",
        "create temp table scores as select 1",
        "drop view scores",
        "delete from scores",
        "select 1; drop view scores",
        "begin",
        "explain analyze create or replace temp view scores as select 1",
        "/* é */ EXPLAIN -- é\n (analyze, format json) create temp view scores as select 1",
        "explain analyze create temp table scores as pivot (select 1 as a) on a using sum(a)",
        "explain analyze drop view response_facts",
        "explain analyze set variable experiment = 'b'",
        "explain analyze copy (select 1) to '/tmp/leak.csv'",
        "explain analyze begin",
        "explain create view other as select 1",
    ],
)
def test_tables_cannot_be_written_nor_their_names_taken(lake, statement):
    with query.connect_with_reports(lake) as connection:
        with pytest.raises(InputError, match="cannot be run"):
            query.query(connection, statement)
        assert query.query(connection, "from scores")["reward"].to_list() == [2.0]
    assert lake.version("scores") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "show tables",
        "describe scores",
        "summarize scores",
        "explain from scores",
        "explain analyze select 'é', reward from scores",
        "explain (analyze, format json) (select 1)",
        "explain analyze pivot scores on iteration using avg(reward)",
        "pivot scores on iteration using avg(reward) group by experiment",
    ],
)
def test_what_reads_is_answered(lake, statement):
    with query.connect_with_reports(lake) as connection:
        for _ in range(2):
            assert query.query(connection, statement).height


def test_what_a_query_creates_is_gone_when_it_ends(lake):
    """A pivot first creates types, and DuckDB gives a table made from it the same kind."""
    with query.connect_with_reports(lake) as connection:
        before = query.query(connection, "show all tables").drop("database")
        made = "create or replace temp table labels as pivot scores on iteration using avg(reward)"
        query.query(connection, made)
        with pytest.raises(InputError, match="labels does not exist"):
            query.query(connection, "from labels")
        assert query.query(connection, "show all tables").drop("database").equals(before)


def test_a_difference_of_times_is_read_as_text(lake):
    statement = 'select max("timestamp") - min("timestamp") as "the time" from table_history'
    with query.connect_with_reports(lake) as connection:
        assert query.query(connection, statement)["the time"][0].startswith("00:00:0")
        nested = query.query(connection, "select [interval 1 day] as spans")
        assert nested["spans"].to_list() == ["[1 day]"]


def test_two_columns_of_one_name_are_refused(lake):
    with query.connect(lake) as connection, pytest.raises(InputError, match="must be unique"):
        query.query(connection, "select 1 as a, 2 as a")


def test_statements_are_divided_at_their_semicolons(lake):
    with query.connect(lake) as connection:
        parts = query.split_statements(connection, "select ';' as a; -- no ; here\nselect 2 as b")
        assert [query.query(connection, part).columns for part in parts] == [["a"], ["b"]]
        with pytest.raises(InputError, match="cannot be run"):
            query.split_statements(connection, "selec 1")


def test_reports_and_the_history_of_tables_are_views(lake):
    with query.connect_with_reports(lake) as connection:
        names = set(query.query(connection, "show tables")["name"])
        assert names >= {*statements.list_reports(), *statements.list_views(), "table_history"}
        found = query.query(connection, "select version, rows_removed from table_history")
        assert found.rows() == [(0, 0), (1, 1)]


def test_a_table_that_did_not_exist_then_is_empty(lake):
    lake.overwrite("raw_x", pl.DataFrame({"row_key": ["x:1"]}))
    with query.connect_with_reports(lake, {"raw_x": None, "scores": None}) as connection:
        assert query.query(connection, "from raw_x").is_empty()
        assert query.query(connection, "from raw_row_keys").is_empty()
        assert query.query(connection, "from scored_responses").is_empty()


def test_an_unknown_report_is_refused_with_the_known_ones():
    with query.connect_frames({}) as connection:
        with pytest.raises(InputError, match="iteration_progress"):
            query.report(connection, "progress")
        with pytest.raises(InputError, match="no check is called"):
            query.check(connection, "../reports/iteration_progress", {})


def test_a_slice_of_a_result_is_selected_by_the_columns_that_it_has():
    rows = "from (values ('a', 1), ('b', 2), (null, 3)) found(experiment, n)"
    with query.connect_frames({}) as connection:
        found = query.query(connection, rows, {"experiment": "a", "iteration": 1})
        assert found.rows() == [("a", 1)]
        assert query.query(connection, rows, {}).height == 3


def test_a_check_of_a_slice_reads_no_text_of_others(tmp_path, monkeypatch):
    """A check of an iteration's pairs took as long as all comparisons."""
    lake = Lake(tmp_path)
    for table in ("preference_pairs", "dpo_pairs"):
        lake.overwrite(table, pl.DataFrame(schema=schema_of(table)))
    scan, read_frames, read = Lake.scan, Lake.read_frames, []

    def count(self, table, *version, **rows):
        def note(frame):
            read.append(table)
            return frame

        return scan(self, table, *version, **rows).map_batches(note, schema=schema_of(table))

    def count_frames(self, table, *version):
        for frame in read_frames(self, table, *version):
            read.append(f"frames of {table}")
            yield frame

    monkeypatch.setattr(Lake, "scan", count)
    monkeypatch.setattr(Lake, "read_frames", count_frames)
    with query.connect(lake) as connection:
        slice_ = {"experiment": "e", "iteration": 1}
        assert query.check(connection, "chosen_differs_from_rejected", slice_).is_empty()
        assert read == ["dpo_pairs"]
        query.check(connection, "chosen_differs_from_rejected", {})
        query.report(connection, "preference_statistics")
        assert "preference_pairs" not in read  # all texts would be in memory
