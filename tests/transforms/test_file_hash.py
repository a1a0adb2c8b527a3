"""Hashes of files, and their place in the cache."""

import os
from hashlib import sha256

import pytest

from transforms import file_hash
from transforms.file_hash import CACHED_BYTES, hash_file


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of the files whose content is read."""
    names: list[str] = []
    read = file_hash._read_hash

    def count(path):
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(file_hash, "_read_hash", count)
    return names


@pytest.mark.parametrize("size", [0, CACHED_BYTES - 1, CACHED_BYTES, CACHED_BYTES + 1])
def test_the_hash_is_that_of_the_content(cache, tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    expected = sha256(b"x" * size).hexdigest()[:32]
    assert [hash_file(tmp_path / "file") for _ in range(2)] == [expected] * 2


def test_a_large_file_is_read_once(cache, tmp_path, reads):
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"x" * CACHED_BYTES)
    small.write_bytes(b"x")
    for _ in range(3):
        hash_file(large)
        hash_file(small)
    assert reads == ["large", "small", "small", "small"]


def test_an_edit_is_seen_although_size_and_time_of_modification_are_set_back(cache, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * CACHED_BYTES)
    stat = file.stat()
    first = hash_file(file)
    file.write_bytes(b"y" * CACHED_BYTES)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert hash_file(file) == sha256(b"y" * CACHED_BYTES).hexdigest()[:32] != first


def test_a_machine_without_a_cache_reads_each_time(monkeypatch, tmp_path, reads):
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "no folder" / "cache"))
    (tmp_path / "file").write_bytes(b"x" * CACHED_BYTES)
    assert hash_file(tmp_path / "file") == hash_file(tmp_path / "file")
    assert reads == ["file", "file"]


@pytest.mark.parametrize("damage", [b"", b"0123456789abcdef", b"g" * 32, b"\xff" * 32, b"0" * 33])
def test_a_damaged_file_of_the_cache_is_replaced(cache, tmp_path, reads, damage):
    (tmp_path / "file").write_bytes(b"x" * CACHED_BYTES)
    right = hash_file(tmp_path / "file")
    (kept,) = (cache / "file_hashes").iterdir()
    kept.write_bytes(damage)
    assert [hash_file(tmp_path / "file") for _ in range(2)] == [right] * 2
    assert kept.read_text() == right
    assert reads == ["file"] * 2
