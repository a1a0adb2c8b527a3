import polars as pl
import pytest
import typer

from training.runs.command_line.options import read_devices, read_settings, require_rows
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.objectives import DPOSettings
from transforms.errors import InputError


def test_the_option_devices_has_the_keys_and_rules_of_the_recipe():
    every = {name: field.default for name, field in DeviceSettings.model_fields.items()}
    given = DeviceSettings.model_validate(every | {"replicas": 3})
    assert read_devices(given.model_dump_json()) == given
    assert read_devices("{replicas: 3}") == given
    assert read_devices(ONE_PROCESS) == ONE_PROCESS  # typer passes the default, too
    for text, message in {
        "{replica: 2}": "write replicas for replica",
        "{replicas: 0}": "found:    replicas = 0",
        "[2]": "expected a mapping",
        "{replicas: ": "while parsing a flow",
    }.items():
        with pytest.raises(typer.BadParameter, match=message):
            read_devices(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 1", "expected: a JSON object.*found:    Expecting value: line 1"),
        ("[1]", "found:    a list"),
        ('{"learning_rat": 1}', "write learning_rate for learning_rat"),
        ('{"epochs": -1}', "found:    epochs = -1"),
        (None, "No such file"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_refused(text, message, tmp_path):
    file = tmp_path / "settings.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=f"(?s)settings.json is refused.*{message}"):
        read_settings(DPOSettings, file)


def test_rows_that_a_stage_cannot_read_are_refused(tmp_path):
    file = tmp_path / "rows.parquet"
    with pytest.raises(InputError, match=r"(?s)rows in .*cannot be read.*No such file"):
        require_rows(file)
    file.write_text("no Parquet")
    with pytest.raises(InputError, match=r"(?s)cannot be read.*expected: a Parquet file"):
        require_rows(file)
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(file)
    with pytest.raises(InputError, match=r"(?s)expected: a, c.*found:    a, b; missing: c"):
        require_rows(file, "a", "c")
    assert require_rows(file, "a", "b") == file
    assert require_rows(tmp_path, "a") == tmp_path  # replicas read a folder of files


def test_settings_of_a_file_and_the_defaults(tmp_path):
    settings = DPOSettings(learning_rate=1e-3, max_steps=2)
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json())
    assert read_settings(DPOSettings, file) == settings
    assert read_settings(DPOSettings, None) == DPOSettings()
