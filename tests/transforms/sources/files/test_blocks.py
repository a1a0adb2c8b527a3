"""Files in blocks of whole lines."""

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.sources.files.blocks import read_blocks


@given(
    st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"\xe2\x80\xa8", b"ccccccc\n"])),
    st.integers(1, 9),
)
def test_blocks_hold_whole_lines_and_say_where_they_stand(tmp_path_factory, pieces, size):
    path, content = tmp_path_factory.mktemp("blocks") / "rows.jsonl", b"".join(pieces)
    path.write_bytes(content)
    blocks = list(read_blocks(path, size))
    assert b"".join(block.content for block in blocks) == content
    for block in blocks:
        assert content[block.offset :].startswith(block.content)
        assert block.first_line == content[: block.offset].count(b"\n") + 1
        assert block.lines == len(block.content.split(b"\n")) - (not block.cut)
        assert block.cut != block.content.endswith(b"\n")
    assert all(not block.cut for block in blocks[:-1])


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_cut_gzip_names_the_byte_at_which_it_ends(tmp_path, kept):
    noise = random.Random(0).randbytes(200_000).hex().encode()
    packed = gzip.compress(b"\n".join(noise[n : n + 99] for n in range(0, len(noise), 99)))
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(packed[: int(len(packed) * kept)])
    with pytest.raises(InputError, match=r"rows.jsonl.gz.*\n.*\n.*at byte \d+: gzip data"):
        list(read_blocks(path, 10_000))


def test_gzip_members_one_after_another_are_one_file(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert b"".join(block.content for block in read_blocks(path)) == b"a\nb\n"
