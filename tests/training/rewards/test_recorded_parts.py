"""Recorded parts of a reward: their places, and the versions of their files."""

import pytest

from training.rewards.recorded_parts import describe_part, read_parts
from training.settings.rewards.reward import RewardSettings
from transforms.errors import InputError

CODE = "def brief(responses):\n    return [-len(text) for text in responses]\n"


def test_a_part_is_read_back_from_its_recorded_place(tmp_path):
    (tmp_path / "rewards.py").write_text(CODE)
    (tmp_path / "model").mkdir()
    rewards = {
        "brief": RewardSettings(function=f"{tmp_path}/rewards.py:brief"),
        "given": RewardSettings(path=str(tmp_path / "model")),
        "right": RewardSettings(verifier="number"),
    }
    recorded = {name: {"weight": 2.0, **describe_part(one)} for name, one in rewards.items()}
    read = read_parts(recorded, lambda asset: tmp_path)
    assert {name: one.reward for name, one in read.items()} == rewards
    assert recorded["brief"]["read_from"] == {"function": f"{tmp_path}/rewards.py:brief"}
    assert recorded["brief"]["function"] == "brief"
    assert "read_from" not in recorded["right"]


def test_another_function_of_the_same_file_is_another_part(tmp_path):
    (tmp_path / "rewards.py").write_text(f"{CODE}def long(responses): ...\n")
    one, two = (
        describe_part(RewardSettings(function=f"{tmp_path}/rewards.py:{name}"))
        for name in ("brief", "long")
    )
    assert one["code"] == two["code"]
    assert one["function"] != two["function"]


def test_a_changed_file_is_refused(tmp_path):
    (tmp_path / "rewards.py").write_text(CODE)
    part = describe_part(RewardSettings(function=f"{tmp_path}/rewards.py:brief"))
    (tmp_path / "rewards.py").write_text(CODE.replace("-len", "len"))
    with pytest.raises(InputError, match="the reward brief has changed"):
        read_parts({"brief": {"weight": 1.0, **part}}, lambda asset: tmp_path)
