"""Settings that every training has: what they refuse together, and what is recorded of them."""

import pytest
from pydantic import ValidationError

from training.runs.trainer import OPTIMIZERS, build_trl_arguments
from training.settings.objectives import DPOSettings, KTOSettings, RAFTSettings, RLOORun
from training.settings.stages import RewardModelSettings, SFTSettings
from training.settings.training import RECORDED_IF_SET, LoRASettings, TrainingSettings

SET = {
    "lora": {"rank": 8},
    "load_in_4bit": True,
    "optimizer": "paged_adamw_8bit",
    "attn_implementation": "eager",
    "torch_compile": True,
}


@pytest.mark.parametrize("kind", [SFTSettings, RewardModelSettings, DPOSettings, RLOORun])
def test_a_default_is_not_recorded_and_a_choice_is(kind):
    """So a lake whose trainings were recorded without these settings is not stale."""
    assert not {*RECORDED_IF_SET} & {*kind().dump_decisive()}
    chosen = kind(**SET, learning_rate=1e-5)
    recorded = chosen.dump_decisive()
    assert {name: recorded[name] for name in SET} == SET | {
        "lora": {"rank": 8, "alpha": 32, "dropout": 0.0, "target_modules": "all-linear"}
    }
    assert kind.model_validate(recorded) == chosen
    assert {*SET} == {*RECORDED_IF_SET}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"load_in_4bit": True}, "set lora"),
        ({"lora": {}, "accelerate_config": "fsdp.yaml"}, "remove accelerate_config"),
        ({"optimizer": "adamw_8bit", "accelerate_config": "fsdp.yaml"}, "remove accelerate_config"),
        ({"lora": {}}, "set learning_rate, for example 0.0002"),
        ({"lora": {"rank": 0}}, "greater than or equal to 1"),
        ({"lora": {"target_modules": "everything"}}, "all-linear"),
        ({"optimizer": "sgd"}, "adamw"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        SFTSettings(**settings)


def test_dropout_is_refused_where_it_would_have_no_effect():
    lora = LoRASettings(dropout=0.1)
    for kind in (SFTSettings, RewardModelSettings, RAFTSettings):
        kind(lora=lora, learning_rate=1e-4)
    for kind in (DPOSettings, KTOSettings, RLOORun):
        with pytest.raises(ValidationError, match="no effect"):
            kind(lora=lora, learning_rate=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_choices_reach_transformers(optimizer, tmp_path):
    settings = SFTSettings(optimizer=optimizer, torch_compile=True)
    arguments = build_trl_arguments(settings, tmp_path, seed=0, dtype="float32")
    assert arguments["optim"] == OPTIMIZERS[optimizer]
    assert arguments["torch_compile"]


def test_every_optimizer_has_a_name_in_transformers():
    from transformers.training_args import OptimizerNames

    choices = TrainingSettings.model_fields["optimizer"].annotation.__args__
    assert set(choices) == set(OPTIMIZERS)
    assert set(OPTIMIZERS.values()) <= {name.value for name in OptimizerNames}
