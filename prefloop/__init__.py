"""Read a study's lake from Python, for notebooks: `import prefloop`.

    import prefloop

    study = prefloop.open("dagster_home/quickstart")
    study.sql("select experiment, avg(reward) as reward from scores group by experiment")
    study.table("scores", experiment="iterative")
    study.report("selected_contrasts")
    study.policy("iterative/2")

Everything is read-only, and frames are polars frames. This package holds no logic of its own; it is
the only one whose names stay. Not here: running a study (the command `prefloop run`).
"""

from pathlib import Path

import polars as pl

from assets.home import open_lake
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import fetch
from transforms.lake.records.named_models import find_model
from transforms.views import query
from transforms.views.names import list_relations

__all__ = ["Study", "open"]


class Study:
    """The lake of a study. Each call reads the newest version of the tables."""

    def __init__(self, lake: Lake) -> None:
        """Keep the lake; `prefloop.open` opens one."""
        self._lake = lake

    def sql(self, statement: str) -> pl.DataFrame:
        """Run one query of DuckDB over all tables, views and reports.

        Raises:
            InputError: DuckDB refuses it, or it does not only read.
        """
        with query.connect_with_reports(self._lake, text=statement) as connection:
            return query.query(connection, statement)

    def table(self, name: str, version: int | None = None, **rows: str | int) -> pl.DataFrame:
        """Read a table, in the order in which its rows were written.

        Args:
            name: table of `tables()`.
            version: version of its Delta log, from 0; None: the newest.
            rows: values that select rows, such as `experiment="iterative", iteration=2`.

        Raises:
            InputError: there is no such table or version.
        """
        return self._lake.read(name, version, **rows)

    def report(self, name: str) -> pl.DataFrame:
        """Run a report: the rows of `prefloop report <name>`.

        Raises:
            InputError: there is no such report.
        """
        return query.run_report(self._lake, name)

    def policy(self, name: str) -> Path:
        """Return the folder of a model, for `AutoModelForCausalLM.from_pretrained` or vLLM.

        Args:
            name: as in `prefloop export`: a checkpoint_id, `sft_policy`, `iterative/2` or
                `latest`.

        Raises:
            InputError: no model has the name, or several have it, or its folder is missing.
        """
        return fetch(self._lake, find_model(self._lake, name)).path

    def tables(self) -> pl.DataFrame:
        """List tables, views and reports: name, kind, rows (of tables), grain."""
        with query.connect_with_reports(self._lake) as connection:
            return list_relations(connection)


def open(home: Path | str = "dagster_home/quickstart") -> Study:
    """Open a study for reading.

    Args:
        home: the study's folder, as `prefloop run` prints it; or folder or address of its lake.

    Raises:
        InputError: there is no lake.
    """
    return Study(open_lake(home))
