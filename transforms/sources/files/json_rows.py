"""JSON lines decoded to typed columns: a block at once, or by halves if a row does not fit.

Not here: files (`transforms.sources.files.blocks`), the meaning of columns
(`transforms.sources.catalog`). PyArrow's reader is quick and strict, but refuses a whole block for
one bad row. A refused block is split until PyArrow has judged each line, so that the result for a
row does not depend on its neighbours. msgspec supplies the message: which type a value has, and
which one is declared.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from types import GenericAlias
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json
from polars.datatypes import DataTypeClass

from transforms.sources.files.blocks import Block
from transforms.text_encoding import describe_undecodable

DType = pl.DataType | DataTypeClass

Native = Mapping[str, DType]
"""Columns that are read from a source, with their types."""

MALFORMED = {"row": pl.Int64, "evidence": pl.String}
"""Columns of rows that do not fit the native schema: position from 1, and evidence (the declared
type and the type found)."""

Decoded = tuple[pl.DataFrame, pl.DataFrame]
"""Rows of a file that fit, with their number `row`, and the rows that do not fit (`MALFORMED`)."""

OBJECT = re.compile(rb"\s*\{")
ERROR_FRAME = re.compile(r"^JSON parse error: | in row \d+$")
"""Text of PyArrow around the cause; its row number counts from the start of the block."""


def decode_lines(block: Block, native: Native) -> Decoded:
    """Decode a block of JSON lines.

    Returns:
        The rows that fit, with the native columns and `row`, the number of the line. A missing key
        is null; keys that `native` does not name are left out. Then the malformed lines
        (`MALFORMED`). Blank lines are no rows.
    """
    if not _has_one_object_per_line(block):
        return _decode_by_halves(block, native)
    try:
        table = _decode_whole(block.content, block.lines, native)
    except pa.ArrowInvalid:
        return _decode_by_halves(block, native)
    numbers = pl.int_range(block.first_line, block.first_line + block.lines, dtype=pl.Int64)
    return table.with_columns(row=numbers), pl.DataFrame(schema=MALFORMED)


def convert_rows(
    rows: Iterable[tuple[int, Any]], native: Native, *, strict: bool = True
) -> Decoded:
    """Convert decoded objects, numbered, to rows that fit and rows that do not (`decode_lines`).

    Without `strict`, text is read as the declared number or boolean.
    """
    kind = _make_row_type(tuple(native.items()))
    good: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    for row, value in rows:
        try:
            fitting = msgspec.to_builtins(msgspec.convert(value, kind, strict=strict))
        except msgspec.ValidationError as error:
            bad.append((row, str(error)))
        else:
            good.append({**fitting, "row": row})
    schema = {**native, "row": pl.Int64}
    return pl.DataFrame(good, schema=schema), pl.DataFrame(bad, schema=MALFORMED, orient="row")


def to_arrow_schema(native: Native) -> pa.Schema:
    """Convert a native schema to Arrow types."""
    return pa.schema([(name, _to_arrow_type(dtype)) for name, dtype in native.items()])


def _has_one_object_per_line(block: Block) -> bool:
    """Check that every line begins and ends with a brace.

    PyArrow ignores line ends between objects. If one line contained two objects and another object
    spanned two lines, the number of objects would equal the number of lines, and nobody would
    notice the mistake. An object that spans two lines has a line that does not begin with a brace,
    or a line that does not end with a brace.
    """
    content = np.frombuffer(block.content, np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    if block.cut:
        ends = np.append(ends, content.size)
    first, last = content[np.append(0, ends[:-1] + 1)], content[ends - 1]
    last = np.where(last == ord("\r"), content[np.maximum(ends - 2, 0)], last)
    return (
        ends.size == block.lines
        and bool((first == ord("{")).all())
        and bool((last == ord("}")).all())
    )


def _decode_by_halves(block: Block, native: Native) -> Decoded:
    decoder = msgspec.json.Decoder(_make_row_type(tuple(native.items())))
    lines: list[tuple[int, bytes]] = []
    unread: list[tuple[int, bytes]] = []
    bad: list[tuple[int, str]] = []
    for row, line in enumerate(block.content.split(b"\n"), start=block.first_line):
        if not line.strip():
            continue
        try:
            decoder.decode(line)
        except msgspec.ValidationError as error:
            bad.append((row, str(error)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            unread.append((row, line))
        else:
            lines.append((row, line))
    good = [pl.DataFrame(schema={**native, "row": pl.Int64})]

    def separate(lines: list[tuple[int, bytes]]) -> None:
        rows, contents = zip(*lines, strict=True)
        try:
            table = _decode_whole(b"\n".join(contents), len(lines), native)
            good.append(table.with_columns(row=pl.Series(rows, dtype=pl.Int64)))
        except pa.ArrowInvalid as error:
            if len(lines) == 1:
                bad.append((rows[0], _explain(contents[0], error)))
                return
            separate(lines[: len(lines) // 2])
            separate(lines[len(lines) // 2 :])

    if lines:
        separate(lines)
    for unread_line in unread:
        separate([unread_line])  # not JSON, or JSON that msgspec refuses (NaN): PyArrow decides
    rows = pl.concat(good).sort("row")
    return rows, pl.DataFrame(sorted(bad), schema=MALFORMED, orient="row")


def _explain(line: bytes, error: pa.ArrowInvalid) -> str:
    """Return why a line is malformed."""
    try:
        line.decode()
    except UnicodeDecodeError as undecodable:
        return describe_undecodable(undecodable)
    return ERROR_FRAME.sub("", str(error))


def _decode_whole(content: bytes, lines: int, native: Native) -> pl.DataFrame:
    """Decode lines, each of which is a row that fits.

    Raises:
        pyarrow.ArrowInvalid: a line does not fit.
    """
    if not OBJECT.match(content):
        # PyArrow 26 ends the process if the first value is null
        raise pa.ArrowInvalid("it does not begin with an object")
    table = pyarrow.json.read_json(
        pa.BufferReader(content),
        read_options=pyarrow.json.ReadOptions(
            use_threads=False, block_size=min(len(content) + 1, 2**31 - 1)
        ),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=to_arrow_schema(native), unexpected_field_behavior="ignore"
        ),
    )
    table.validate(full=True)  # the reader accepts broken UTF-8
    if table.num_rows != lines:
        raise pa.ArrowInvalid(f"{table.num_rows} objects, not {lines}")
    rows = pl.DataFrame(table)
    if lines > 1 and rows.select(pl.all_horizontal(pl.all().is_null()).any()).item():
        raise pa.ArrowInvalid("a row of nulls may be a bare null instead of an object")
    return rows


def _to_arrow_type(dtype: DType) -> pa.DataType:
    if isinstance(dtype, pl.List):
        return pa.list_(_to_arrow_type(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pa.struct([(field.name, _to_arrow_type(field.dtype)) for field in dtype.fields])
    types: dict[DType, pa.DataType] = {
        pl.String: pa.string(),
        pl.Int32: pa.int32(),
        pl.Int64: pa.int64(),
        pl.Float64: pa.float64(),
        pl.Boolean: pa.bool_(),
    }
    return types[dtype]


@functools.cache
def _make_row_type(
    native: tuple[tuple[str, DType], ...], name: str = "Row"
) -> type[msgspec.Struct]:
    """Make the class into which msgspec decodes a row: every key may be missing or null."""
    # a key may not be a Python name (`fine-grained_score`): fields are numbered and renamed
    keys = {f"field_{number}": column for number, (column, _) in enumerate(native)}
    fields = [
        (field, _to_python_type(dtype) | None, None)
        for field, (_, dtype) in zip(keys, native, strict=True)
    ]
    return msgspec.defstruct(name, fields, rename=keys)


def _to_python_type(dtype: DType) -> Any:
    if isinstance(dtype, pl.List):
        return GenericAlias(list, (_to_python_type(dtype.inner) | None,))
    if isinstance(dtype, pl.Struct):
        return _make_row_type(tuple((field.name, field.dtype) for field in dtype.fields), "Struct")
    types: dict[DType, Any] = {
        pl.String: str,
        pl.Int32: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
        pl.Int64: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
        pl.Float64: float,
        pl.Boolean: bool,
    }
    return types[dtype]
