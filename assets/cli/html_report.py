"""The HTML report: one file about one lake or several (`prefloop report --html`).

Not here: its content (`transforms.views.page`).
"""

from collections.abc import Sequence
from pathlib import Path

from assets.cli.files import refuse_unwritable
from assets.home import name_lake, open_lake
from transforms.errors import InputError
from transforms.views.page.write import write_page


def write_report(homes: Sequence[str], output: Path | None) -> Path:
    """Write the HTML report of some lakes; return its file.

    Args:
        homes: folders of studies, or folders or addresses of lakes.
        output: the file; None for report.html in the first folder, or in the current one for an
            address.

    Raises:
        InputError: a lake is missing, two have the same name, or the file cannot be written.
    """
    names = [name_lake(place) for place in homes]
    if len(set(names)) < len(names):
        raise InputError(
            "two lakes have the same name",
            expected="folders with different names, which are the titles in the report",
            found=", ".join(homes),
            remedy="rename a folder, or leave one out",
        )
    lakes = dict(zip(names, map(open_lake, homes), strict=True))
    first = Path(homes[0]).expanduser()
    file = output or (first if first.is_dir() else Path.cwd()) / "report.html"
    text = write_page(lakes, f"prefloop: {', '.join(names)}")
    with refuse_unwritable(file):
        file.write_text(text, encoding="utf-8")
    return file
