"""JSON objects to typed columns: whole blocks at once, by halves where a block does not fit.

Lives here: decoding against a native schema. Not here: files (`transforms.sources.files.blocks`),
what columns mean (`transforms.sources.catalog`). PyArrow's reader is quick and strict but refuses a
whole block for one bad row. It judges every line all the same, so that no row's fate hangs on its
neighbours; msgspec says of which type a value is where it should be another.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.json

from transforms.sources.files.blocks import Block

Native = Mapping[str, pl.DataType | type[pl.DataType]]

MALFORMED = {"row": pl.Int64, "evidence": pl.String}
"""Rows that do not fit the native schema: position from 1, what was expected and what was found."""

OBJECT = re.compile(rb"\s*\{")
ERROR_FRAME = re.compile(r"^JSON parse error: | in row \d+$")
"""What PyArrow writes around the cause; its row is not the file's."""


def decode_lines(block: Block, native: Native) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode a block of JSON lines.

    Returns:
        Rows that fit: native columns and `row`, the line's number; a missing key is null, keys
        that `native` does not name are left out. And the malformed lines (`MALFORMED`), but blank
        ones, which are no rows.
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
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Check numbered objects that are decoded already (`decode_lines`).

    Without `strict`, text is read as the number or truth value that is declared.
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
    """Write a native schema as Arrow types."""
    return pa.schema([(name, _to_arrow_type(dtype)) for name, dtype in native.items()])


def _has_one_object_per_line(block: Block) -> bool:
    """Tell whether no line can hold two objects while another holds a part of one, or is blank.

    PyArrow reads objects, wherever lines end: as many of them as lines would hide that. An object
    that spans lines has a line that does not begin with a brace, or one that does not end with one.
    """
    content = block.content.rstrip(b"\r\n")
    ends = content.count(b"}\n") + content.count(b"}\r\n")
    return (
        content[:1] == b"{"
        and content[-1:] == b"}"
        and content.count(b"\n{") + 1 == ends + 1 == block.lines
    )


def _decode_by_halves(block: Block, native: Native) -> tuple[pl.DataFrame, pl.DataFrame]:
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
                bad.append((rows[0], ERROR_FRAME.sub("", str(error))))
                return
            separate(lines[: len(lines) // 2])
            separate(lines[len(lines) // 2 :])

    if lines:
        separate(lines)
    for line in unread:
        separate([line])  # no JSON, or none that msgspec reads (NaN): PyArrow judges it, alone
    rows = pl.concat(good).sort("row")
    return rows, pl.DataFrame(sorted(bad), schema=MALFORMED, orient="row")


def _decode_whole(content: bytes, lines: int, native: Native) -> pl.DataFrame:
    """Decode lines of which each is a row that fits.

    Raises:
        pyarrow.ArrowInvalid: one does not.
    """
    if not OBJECT.match(content):
        # PyArrow 26 ends the process where the first value is null
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
    table.validate(full=True)  # the reader takes broken UTF-8 as it is
    if table.num_rows != lines:
        raise pa.ArrowInvalid(f"{table.num_rows} objects, not {lines}")
    rows = pl.from_arrow(table)
    if lines > 1 and rows.select(pl.all_horizontal(pl.all().is_null()).any()).item():
        raise pa.ArrowInvalid("what looks like an object of nulls may be a bare null")
    return rows


def _to_arrow_type(dtype: Any) -> pa.DataType:
    if isinstance(dtype, pl.List):
        return pa.list_(_to_arrow_type(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pa.struct([(field.name, _to_arrow_type(field.dtype)) for field in dtype.fields])
    return {
        pl.String: pa.string(),
        pl.Int32: pa.int32(),
        pl.Int64: pa.int64(),
        pl.Float64: pa.float64(),
        pl.Boolean: pa.bool_(),
    }[dtype]


@functools.cache
def _make_row_type(native: tuple[tuple[str, Any], ...], name: str = "Row") -> type[msgspec.Struct]:
    """Make the class that msgspec decodes a row into: every key may be missing or null."""
    # a key may be no Python name (`fine-grained_score`): fields are numbered and renamed
    keys = {f"field_{number}": column for number, (column, _) in enumerate(native)}
    fields = [
        (field, _to_python_type(dtype) | None, None)
        for field, (_, dtype) in zip(keys, native, strict=True)
    ]
    return msgspec.defstruct(name, fields, rename=keys)


def _to_python_type(dtype: Any) -> Any:
    if isinstance(dtype, pl.List):
        return list[_to_python_type(dtype.inner) | None]
    if isinstance(dtype, pl.Struct):
        return _make_row_type(tuple((field.name, field.dtype) for field in dtype.fields), "Struct")
    return {
        pl.String: str,
        pl.Int32: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
        pl.Int64: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
        pl.Float64: float,
        pl.Boolean: bool,
    }[dtype]
