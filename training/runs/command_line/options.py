"""Options of several commands, and reading those that are a mapping or a file of rows.

Imports no torch.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
import yaml
from pydantic import ValidationError

from training.settings.model import DeviceSettings
from transforms.errors import InputError
from transforms.settings.frozen import Settings
from transforms.settings.validation_errors import convert_validation_error
from transforms.text_encoding import decode_text

S = TypeVar("S", bound=Settings)


def read_devices(text: str | DeviceSettings) -> DeviceSettings:
    """Read the option `--devices`, a mapping in YAML; typer also passes its default.

    Raises:
        typer.BadParameter: it is no mapping, a key is unknown, or a value is impossible.
    """
    if isinstance(text, DeviceSettings):
        return text
    try:
        keys = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise typer.BadParameter(str(error)) from None
    if not isinstance(keys, dict):
        raise typer.BadParameter(f"expected a mapping such as '{{replicas: 8}}', found {text}")
    try:
        return DeviceSettings.model_validate(keys)
    except ValidationError as error:
        refused = convert_validation_error(error, f"{text} is refused", model=DeviceSettings)
        raise typer.BadParameter(str(refused)) from None


OutputOption = Annotated[Path, typer.Option(help="Folder of the finished checkpoint.")]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="JSON file of the stage's settings; else the defaults."),
]
SeedOption = Annotated[int, typer.Option(help="Seed of weights, data order and dropout.")]
EngineSeedOption = Annotated[int, typer.Option(help="Seed of the engine; replica i adds i.")]
DtypeOption = Annotated[Literal["float32", "bfloat16"], typer.Option(help="Compute type.")]
ChunksOption = Annotated[Path, typer.Option(help="Folder for parquet files, one per chunk.")]
DevicesOption = Annotated[
    DeviceSettings,
    typer.Option(
        parser=read_devices, help="Replicas and GPUs as in a recipe, such as '{replicas: 8}'."
    ),
]


def require_rows(file: Path, *columns: str) -> Path:
    """Check that the rows of a stage can be read, and return their file.

    Args:
        file: a Parquet file, or a folder of such files.
        columns: the columns that the stage reads.

    Raises:
        InputError: no such file, not Parquet, or a column is missing.
    """
    import polars as pl  # imported here, since `--help` does not need it

    try:
        found = pl.scan_parquet(file).collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"rows in {file} cannot be read",
            expected="a Parquet file",
            found=str(error).partition("\n")[0],
            remedy="correct the path, or write the rows as Parquet",
        ) from None
    if missing := [name for name in columns if name not in found]:
        raise InputError(
            f"columns are missing in {file}",
            expected=", ".join(columns),
            found=f"{', '.join(found)}; missing: {', '.join(missing)}",
            remedy="rename the columns, or add the missing ones",
        )
    return file


def read_settings(kind: type[S], file: Path | None) -> S:
    """Read a stage's settings from a JSON file; without a file, use the defaults.

    Raises:
        InputError: no such file, not JSON, an unknown key, or a value out of range.
    """
    if file is None:
        return kind()
    what = f"settings file {file} is refused"
    try:
        keys: object = json.loads(decode_text(file.read_bytes()))
        found = f"a {type(keys).__name__}"
    except (OSError, ValueError) as error:
        keys, found = None, str(error)
    if not isinstance(keys, dict):
        raise InputError(
            what,
            expected="a JSON object of the stage's settings",
            found=found,
            remedy='write for example {"learning_rate": 1e-5}',
        )
    try:
        return kind.model_validate(keys)
    except ValidationError as error:
        raise convert_validation_error(error, what, model=kind) from None
