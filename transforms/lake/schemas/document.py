"""The declarations of tables as the page docs/guide/tables.md, which `make docs` writes."""

from collections.abc import Iterator

from transforms.lake.schemas import SUBJECTS
from transforms.lake.schemas.preferences import raw_table
from transforms.lake.schemas.records import COMPUTED
from transforms.lake.schemas.table import Table

HEAD = """\
# The tables of the lake

`make docs` writes this page from `transforms/lake/schemas`. The same text is shown by `.schema` in
`prefloop sql`, in the Dagster UI and on the page of a lake.

Types: `text` is a string, `messages` a list of (role, content) in the order of the turns, `time
(UTC)` a timestamp. A share is between 0 and 1. Identifiers are hashes of the content, so tables can
be joined across runs and machines. `a | b` lists the values of a column; `null:` gives the meaning
of a missing value. Tables are overwritten slice by slice; an overwritten row stays readable by
version.
"""


def write_document() -> str:
    """Return the page: tables by subject, then raw tables and computed tables."""
    subjects = {
        **SUBJECTS,
        "Sources": {"raw_&lt;source&gt;": raw_table({})},
        "Computed when they are read": COMPUTED,
    }
    lines = [HEAD]
    for subject, tables in subjects.items():
        lines += [f"## {subject}", ""]
        for name, table in tables.items():
            lines += _write_table(name, table)
    return "\n".join(lines).rstrip() + "\n"


def _write_table(name: str, table: Table) -> Iterator[str]:
    divided = ", ".join(f"`{column}`" for column in table.partitions)
    yield f"### {name}"
    yield ""
    yield f"{table.grain} Files are divided by {divided}." if divided else table.grain
    yield ""
    yield "| column | type | unit | meaning |"
    yield "|---|---|---|---|"
    for label, column in table.columns.items():
        meaning = column.meaning.replace("|", "\\|")
        yield f"| `{label}` | {column.type_name} | {column.unit or ''} | {meaning} |"
    if name.startswith("raw_&"):
        yield "| … | | | the columns of the source, in the types of its catalogue entry |"
    yield ""


if __name__ == "__main__":
    print(write_document(), end="")
