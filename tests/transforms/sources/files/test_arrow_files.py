"""Memory of reading parquet files."""

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.sources.files.arrow_files import read_parquet

NATIVE = {"text": pl.String}
ROWS, CHARS = 10_000, 400


def test_a_parquet_file_is_not_kept_in_memory_while_it_is_read(tmp_path):
    path = tmp_path / "rows.parquet"
    letters = np.random.default_rng(0).integers(32, 127, ROWS * CHARS, np.uint8).tobytes().decode()
    texts = [letters[start : start + CHARS] for start in range(0, len(letters), CHARS)]
    pl.DataFrame({"text": texts}).write_parquet(path, row_group_size=ROWS // 20)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_parquet(path, NATIVE, ())]
    assert len(held) > 2
    assert held[-1] < path.stat().st_size / 2
