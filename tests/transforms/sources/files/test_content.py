"""What identifies the rows of an origin."""

import os
import shutil
from hashlib import sha256

from transforms.settings.sources import OriginSettings
from transforms.sources.files.content import describe_origin

FILES = {"deep/a.jsonl": "1", "deep/b.jsonl": "2"}


def write(folder, files=FILES) -> OriginSettings:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return OriginSettings(files=(str(folder),))


def test_a_file_is_described_by_its_name_content_and_place(tmp_path):
    described = describe_origin(write(tmp_path))
    assert described["files"] == {
        f"{name}.jsonl": {"content": sha256(text.encode()).hexdigest()[:32], "place": place}
        for name, text, place in [("a", "1", 0), ("b", "2", 1)]
    }
    assert described["max_rows"] is None


def test_a_copy_elsewhere_with_other_times_is_the_same_origin(tmp_path):
    described = describe_origin(write(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "two" / "three")
    os.utime(tmp_path / "one" / "deep" / "a.jsonl", ns=(1, 1))
    assert describe_origin(OriginSettings(files=(str(tmp_path / "two" / "three"),))) == described
    assert describe_origin(OriginSettings(files=(str(tmp_path / "one"),))) == described


def test_an_edited_an_added_or_a_reordered_part_is_another_origin(tmp_path):
    first = describe_origin(write(tmp_path / "1"))
    paths = [str(tmp_path / "1" / name) for name in FILES]
    assert describe_origin(OriginSettings(files=tuple(paths))) == first
    others = [
        OriginSettings(files=(paths[1], paths[0])),
        write(tmp_path / "2", FILES | {"deep/b.jsonl": "3"}),
        write(tmp_path / "3", FILES | {"deep/c.jsonl": "3"}),
        OriginSettings(files=tuple(paths), max_rows=1),
    ]
    assert first not in [describe_origin(other) for other in others]


def test_a_missing_file_is_described_as_missing(tmp_path):
    paths = (str(tmp_path / "missing.jsonl"),)
    assert describe_origin(OriginSettings(files=paths))["files"] is None
    assert describe_origin(OriginSettings())["files"] == {}
