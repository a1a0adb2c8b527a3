import pytest
import typer

from training.runs.command_line.options import read_devices, read_settings
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.objectives import DPOSettings
from transforms.errors import InputError


def test_the_option_devices_has_the_keys_and_rules_of_the_recipe():
    every = {name: field.default for name, field in DeviceSettings.model_fields.items()}
    given = DeviceSettings.model_validate(every | {"replicas": 3})
    assert read_devices(given.model_dump_json()) == given
    assert read_devices("{replicas: 3}") == given
    assert read_devices(ONE_PROCESS) == ONE_PROCESS  # typer passes the default, too
    for text in ("{replica: 2}", "{replicas: 0}", "{replicas: "):
        with pytest.raises(typer.BadParameter):
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


def test_settings_of_a_file_and_the_defaults(tmp_path):
    settings = DPOSettings(learning_rate=1e-3, max_steps=2)
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json())
    assert read_settings(DPOSettings, file) == settings
    assert read_settings(DPOSettings, None) == DPOSettings()
