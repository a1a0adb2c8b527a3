"""Seconds of GPU work, on numbers that can be checked by hand."""

import pytest

from training.planning import speed
from training.planning.gpus import GPUS
from training.planning.known_models import KNOWN
from training.settings.plan.plan import PlanSettings
from training.settings.training import LoRASettings, TrainingSettings

LLAMA = KNOWN["meta-llama/Meta-Llama-3-8B"]
H100 = GPUS["h100-80gb"]
PLAN = PlanSettings(training_efficiency=0.5, forward_efficiency=0.5, decode_efficiency=0.5)
TRAINING = TrainingSettings(learning_rate=1e-5, processes=8, micro_batch_size=4)


def test_a_forward_pass_has_two_operations_per_weight():
    per_token = speed.count_forward_flops(LLAMA, "language", length=0)
    norms = 32 * 2 * 4096 + 4096
    assert per_token == 2 * (LLAMA.weights - LLAMA.embedding_weights - norms)
    # attention: 2 x layers x width x length
    assert speed.count_forward_flops(LLAMA, "language", 1000) - per_token == 2 * 32 * 4096 * 1000


def test_training_has_three_passes_and_a_fourth_with_checkpointing():
    one = speed.count_forward_flops(LLAMA, "language", 1000)
    checkpointed = TRAINING.model_copy(update={"gradient_checkpointing": True})
    adapter = TRAINING.model_copy(update={"lora": LoRASettings()})
    for settings, passes in ((TRAINING, 3), (checkpointed, 4), (adapter, 2)):
        assert speed.count_training_flops(LLAMA, settings, "language", 1000) == passes * one


def test_training_time_follows_from_peak_rate_efficiency_and_gpus():
    seconds = speed.time_training(
        LLAMA, TRAINING, "language", tokens=1e9, length=0, gpu=H100, plan=PLAN
    )
    flops = 1e9 * 3 * speed.count_forward_flops(LLAMA, "language", 0)
    assert seconds == pytest.approx(flops / (8 * 989e12 * 0.5))
    # 45 to 51 TFLOP/s per 1,000 tokens/s: near the 10 to 28 thousand tokens/s of an 8B forward pass
    forward = speed.time_forward(
        LLAMA, "reward", tokens=28_000, length=500, gpus=1, gpu=H100, plan=PlanSettings()
    )
    assert 0.8 < forward < 1.2


def test_few_sequences_decode_at_the_speed_of_reading_the_weights():
    seconds = speed.time_decoding(
        LLAMA, tokens=1000, length=0, sequences=1, gpus=1, parts=1, gpu=H100, plan=PLAN
    )
    assert seconds == pytest.approx(1000 * 2 * LLAMA.weights / (3350e9 * 0.5))


def test_engines_in_parallel_and_gpus_of_one_engine_share_the_work():
    def time(gpus: int, parts: int) -> float:
        return speed.time_decoding(
            LLAMA, tokens=1e6, length=500, sequences=64, gpus=gpus, parts=parts, gpu=H100,
            plan=PLAN,
        )  # fmt: skip

    assert time(8, 1) == pytest.approx(time(1, 1) / 8)
    assert time(8, 2) == pytest.approx(time(8, 1))
