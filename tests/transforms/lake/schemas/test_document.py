from pathlib import Path

from transforms.lake.schemas import TABLES
from transforms.lake.schemas.document import write_document

PAGE = Path(__file__).resolve().parents[4] / "docs" / "guide" / "tables.md"


def test_the_page_of_tables_is_the_one_on_record() -> None:
    """If this fails, run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == write_document()


def test_every_table_and_column_is_in_the_page() -> None:
    page = write_document()
    for name, table in TABLES.items():
        assert f"### {name}\n" in page
        assert all(f"| `{column}` |" in page for column in table.columns)
