"""Folders as people have them: repositories, saved datasets, Delta tables, editors' copies."""

import json

import polars as pl
import pyarrow as pa
import pytest

from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.content import describe_origin, fingerprint_origin
from transforms.sources.files.folders import list_parts
from transforms.sources.files.reading import read_batches

NATIVE = {"n": pl.Int64}


def write(path, *numbers):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in numbers))
    return path


def read(*paths):
    batches = read_batches("s", OriginSettings(files=tuple(map(str, paths))), NATIVE)
    return pl.concat([batch.rows for batch in batches])["n"].to_list()


def write_arrow(path, *numbers):
    table = pa.table({"n": list(numbers)})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return path


def test_what_is_no_data_is_left_out_and_named(tmp_path):
    write(tmp_path / "data" / "b.jsonl", 2)
    write(tmp_path / "data" / "a.JSONL", 1)
    for name in (
        ".gitattributes",
        ".ipynb_checkpoints/a-checkpoint.jsonl",
        "README.md",
        "LICENSE",
        "_SUCCESS",
        "__MACOSX/a.jsonl",
        "data/._a.jsonl",
        "dataset_infos.json",
    ):
        write(tmp_path / name, 9)
    assert read(tmp_path) == [1, 2]
    assert list_parts((str(tmp_path),)).left_out == [
        ".gitattributes",
        ".ipynb_checkpoints",
        "LICENSE",
        "README.md",
        "_SUCCESS",
        "__MACOSX",
        "data/._a.jsonl",
        "dataset_infos.json",
    ]


@pytest.mark.parametrize("name", ["b.jsonl.xz", "b.xlsx", "b.jsonl.part", "part-00000", "b.zip"])
def test_a_file_that_is_neither_read_nor_known_is_refused_by_name(tmp_path, name):
    write(tmp_path / "a.jsonl", 1)
    write(tmp_path / "more" / name, 2)
    with pytest.raises(InputError, match=f"files that cannot be read\n.*\n.*more/{name}"):
        read(tmp_path)


def test_a_delta_table_is_read_at_its_version(tmp_path):
    folder = tmp_path / "sets" / "pairs"
    origin = OriginSettings(files=(str(folder),))
    pl.DataFrame({"n": [1, 2, 3]}).write_delta(folder)
    first, described = fingerprint_origin(origin), describe_origin(origin)["files"]
    pl.DataFrame({"n": [4]}).write_delta(folder, mode="overwrite")
    assert read(folder) == read(tmp_path / "sets") == [4]
    after = describe_origin(origin)["files"]
    assert [part["content"].partition("@")[2] for part in after.values()] == ["1"]
    assert (set(after), after != described) == ({"pairs"}, True)
    assert fingerprint_origin(origin) != first
    (folder / "_delta_log" / f"{0:020}.json").write_text("{")
    with pytest.raises(InputError, match="Delta table"):
        read(folder)


def test_a_partitioned_delta_table_keeps_its_partition_column(tmp_path):
    pl.DataFrame({"n": [2, 1], "m": [0, 0]}).write_delta(
        tmp_path, delta_write_options={"partition_by": "n"}
    )
    assert read(tmp_path) == [1, 2]


def test_a_saved_dataset_is_read_in_the_order_of_its_state(tmp_path):
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for number, name in enumerate(reversed(names)):
        write_arrow(tmp_path / name, number)
    write_arrow(tmp_path / "cache-1.arrow", 9)
    state = {"_data_files": [{"filename": name} for name in reversed(names)]}
    (tmp_path / "state.json").write_text(json.dumps(state))
    (tmp_path / "dataset_info.json").write_text("{}")
    assert read(tmp_path) == [0, 1]
    left_out = list_parts((str(tmp_path),)).left_out
    assert left_out == ["cache-1.arrow", "dataset_info.json", "state.json"]
    (tmp_path / names[0]).unlink()
    with pytest.raises(InputError, match=names[0]):
        read(tmp_path)


def test_the_splits_of_a_saved_dataset_are_not_mixed(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        write_arrow(tmp_path / split / "data-00000-of-00001.arrow", 1)
    with pytest.raises(InputError, match="test, train"):
        read(tmp_path)
    assert read(tmp_path / "train") == [1]


def test_an_arrow_stream_that_is_cut_off_is_refused(tmp_path):
    path = write_arrow(tmp_path / "a.arrow", 1)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="cut off"):
        read(path)
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, pa.schema({"n": "int64"})) as out,
    ):
        out.write_table(pa.table({"n": [7]}))
    assert read(path) == [7]


def test_a_link_keeps_its_own_name(tmp_path):
    blob = write(tmp_path / "blobs" / "0a0a", 1)
    link = tmp_path / "snapshot" / "a.jsonl"
    link.parent.mkdir()
    link.symlink_to(blob)
    (link.parent / "more").symlink_to(link.parent)  # a loop
    assert read(link) == read(link.parent) == [1]
    assert list_parts((str(link.parent),)).left_out == ["more"]
