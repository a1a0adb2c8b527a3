"""What a training's settings need is looked for before anything runs."""

import pytest

from training.runs import software
from training.runs.launch import launch
from training.runs.software import require_software
from training.settings.stages import SFTSettings
from training.settings.training import LoRASettings
from transforms.errors import InputError

ADAPTER = {"lora": LoRASettings(), "learning_rate": 1e-4}


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    monkeypatch.setattr(software, "find_spec", lambda name: None)
    monkeypatch.setattr(software.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ADAPTER | {"load_in_4bit": True}, "bitsandbytes"),
        ({"optimizer": "adamw_8bit"}, "bitsandbytes"),
        ({"optimizer": "paged_adamw_8bit"}, r"prefloop\[qlora\]"),
        ({"attn_implementation": "flash_attention_2"}, "flash_attn"),
        ({"attn_implementation": "flash_attention_3"}, "flash_attn_interface"),
        ({"torch_compile": True}, r"g\+\+ or clang\+\+"),
    ],
)
def test_what_is_missing_is_named(settings, words, tmp_path):
    settings = SFTSettings(**settings)
    with pytest.raises(InputError, match=words):
        require_software(settings)
    with pytest.raises(InputError, match=words):  # before a row or a model is read
        launch("sft", None, tmp_path / "sft", settings, seed=0, dtype="float32")


@pytest.mark.parametrize("settings", [{}, ADAPTER, {"attn_implementation": "sdpa"}])
def test_nothing_is_needed_by_default(settings):
    require_software(SFTSettings(**settings))


def test_the_compiler_is_the_one_of_the_environment(monkeypatch):
    monkeypatch.setattr(software.shutil, "which", lambda name: name == "g++" or None)
    require_software(SFTSettings(torch_compile=True))
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(InputError, match="icpx"):
        require_software(SFTSettings(torch_compile=True))


def test_a_package_of_another_version_is_found(monkeypatch):
    assert software.check_versions().endswith("packages fit")
    monkeypatch.setattr(software, "version", lambda name: "0.0.1" if name == "trl" else "999")
    with pytest.raises(InputError, match=r"trl 0\.0\.1, not ==1"):
        software.check_versions()
