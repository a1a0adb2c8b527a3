"""The weights after a share of a training's steps, kept as a model folder of their own."""

import pytest

from training.dpo import train_dpo
from training.models.checkpoint import hash_checkpoint, require_model
from training.models.rendering import load_tokenizer
from training.reference_logps import add_reference_logps
from training.runs.kept_checkpoints import locate_kept_folder
from training.settings.objectives import DPOSettings

SETTINGS = DPOSettings(
    learning_rate=1e-3,
    schedule="constant",
    warmup_ratio=0.0,
    max_steps=4,
    batch_size=8,
    micro_batch_size=8,
    max_tokens=32,
    logging_steps=1,
    checkpoint_steps=1,
)


@pytest.fixture(scope="module")
def rows(tiny_policy, preference_pairs):
    return add_reference_logps(
        preference_pairs, tiny_policy, tiny_policy, SETTINGS, dtype="float32"
    ).pairs


def run(rows, start, output, report=None, **changed):
    settings = SETTINGS.model_copy(update=changed)
    return train_dpo(rows, start, output, settings, seed=0, dtype="float32", report=report)


def test_a_kept_step_is_the_training_that_ends_there(tiny_policy, rows, tmp_path):
    run(rows, tiny_policy, tmp_path / "whole", kept_shares=(0.4,))  # 1.6 steps: the second
    run(rows, tiny_policy, tmp_path / "two", max_steps=2)
    kept = locate_kept_folder(tmp_path / "whole", 0.4)
    require_model(kept)
    load_tokenizer(kept)
    assert hash_checkpoint(kept) == hash_checkpoint(tmp_path / "two")
    assert not list(kept.glob("*.bin"))


def test_keeping_changes_no_weight_and_survives_a_kill(tiny_policy, rows, tmp_path):
    def killed(step, total_steps, metrics):
        if step == 4:
            raise KeyboardInterrupt

    run(rows, tiny_policy, tmp_path / "plain")
    with pytest.raises(KeyboardInterrupt):
        run(rows, tiny_policy, tmp_path / "kept", killed, kept_shares=(0.5,))
    kept = locate_kept_folder(tmp_path / "kept", 0.5)
    first = hash_checkpoint(kept)
    made = kept.stat().st_ino
    run(rows, tiny_policy, tmp_path / "kept", kept_shares=(0.5,))
    assert hash_checkpoint(tmp_path / "kept") == hash_checkpoint(tmp_path / "plain")
    assert (hash_checkpoint(kept), kept.stat().st_ino) == (first, made)


def test_the_kept_shares_are_recorded_in_their_order():
    assert DPOSettings().dump_decisive()["kept_shares"] == []
    assert DPOSettings().keep_shares([0.5, 0.25]).dump_decisive()["kept_shares"] == [0.25, 0.5]
