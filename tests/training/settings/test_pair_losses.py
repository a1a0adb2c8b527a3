"""The loss of a pair: the conservative one by its algebra, every one through TRL's trainer."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from training.dpo import train_dpo
from training.models.checkpoint import hash_checkpoint
from training.reference_logps import add_reference_logps
from training.settings.objectives import DPOSettings
from training.settings.pair_losses import build_loss_arguments

SETTINGS = DPOSettings(
    learning_rate=1e-3,
    schedule="constant",
    warmup_ratio=0.0,
    max_steps=2,
    batch_size=8,
    micro_batch_size=8,
    max_tokens=32,
    logging_steps=1,
    checkpoint_steps=None,
)
LN2 = math.log(2)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


TRL_LOSSES = {
    "sigmoid": lambda x, e: -log_sigmoid(x),
    "robust": lambda x, e: (-(1 - e) * log_sigmoid(x) + e * log_sigmoid(-x)) / (1 - 2 * e),
}
"""Two losses of TRL 1.16's DPOTrainer at x = beta h, written out again."""


def cdpo(x: float, smoothing: float) -> float:
    """What TRL sums for cDPO at x = beta h."""
    arguments = build_loss_arguments(DPOSettings(loss="cdpo", label_smoothing=smoothing))
    named = zip(arguments["loss_type"], arguments["loss_weights"], strict=True)
    return sum(weight * TRL_LOSSES[name](x, smoothing) for name, weight in named)


@settings(deadline=None)
@given(st.floats(-30, 30), st.floats(1e-6, 0.499))
def test_cdpo_is_the_mean_of_both_labels(x: float, smoothing: float) -> None:
    expected = -(1 - smoothing) * log_sigmoid(x) - smoothing * log_sigmoid(-x)
    assert cdpo(x, smoothing) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_cdpo_by_hand() -> None:
    # s(ln 3) = 3/4: -0.9 ln(3/4) - 0.1 ln(1/4)
    assert cdpo(math.log(3), 0.1) == pytest.approx(0.258914 + 0.138629, abs=1e-6)
    assert cdpo(0.0, 0.1) == pytest.approx(LN2)


def test_cdpo_is_least_where_sigmoid_is_one_less_the_smoothing() -> None:
    least = math.log(0.9 / 0.1)
    slope = (cdpo(least + 1e-4, 0.1) - cdpo(least - 1e-4, 0.1)) / 2e-4
    assert slope == pytest.approx(0.0, abs=1e-7)
    assert cdpo(least, 0.1) < min(cdpo(least - 0.5, 0.1), cdpo(least + 0.5, 0.1))


@settings(deadline=None)
@given(st.floats(-30, 30))
def test_cdpo_nears_the_sigmoid_loss_without_smoothing(x: float) -> None:
    assert cdpo(x, 1e-12) == pytest.approx(-log_sigmoid(x), rel=1e-6, abs=1e-9)


@settings(deadline=None)
@given(st.floats(-20, 20), st.floats(0.01, 0.45))
def test_robust_is_unbiased_where_cdpo_is_not(x: float, smoothing: float) -> None:
    """Averaged over labels flipped with that probability, robust is the loss of the true label."""
    e, robust = smoothing, TRL_LOSSES["robust"]
    expected = (1 - e) * robust(x, e) + e * robust(-x, e)
    assert expected == pytest.approx(-log_sigmoid(x), rel=1e-6, abs=1e-9)


AT_ZERO = {
    "sigmoid": (0.0, LN2),
    "cdpo": (0.1, LN2),
    "robust": (0.1, LN2),
    "ipo": (0.0, 1 / (4 * 0.1**2)),
    "hinge": (0.0, 1.0),
    "nca_pair": (0.0, 2 * LN2),
    "bco_pair": (0.0, 2 * LN2),
    "sppo_hard": (0.0, 2 * (0.5 / 0.1) ** 2),
    "apo_zero": (0.0, 1.0),
    "apo_down": (0.0, 1.0),
    "exo_pair": (0.1, -LN2 - 0.5 * math.log(0.1 * 0.9)),
    "discopop": (0.0, 0.5 * LN2 + 0.5),
    "aot": (0.1, LN2),
    "aot_unpaired": (0.0, LN2),
    "sigmoid_norm": (0.0, LN2),
}
"""Label smoothing, and the loss at zero margin for beta 0.1."""


def run(pairs, start, reference, output, **changed):
    settings = DPOSettings.model_validate(SETTINGS.model_dump() | changed)
    rows = add_reference_logps(pairs, start, reference, settings, dtype="float32").pairs
    return train_dpo(rows, start, output, settings, seed=0, dtype="float32")


def values(result, metric: str) -> list[float]:
    return result.metrics.filter(pl.col("metric") == metric).sort("step")["value"].to_list()


def test_every_loss_has_a_value_at_zero_margin() -> None:
    assert set(AT_ZERO) == set(DPOSettings.model_fields["loss"].annotation.__args__)


@pytest.mark.slow
@pytest.mark.parametrize("loss", AT_ZERO)
def test_first_loss_is_that_of_zero_margin_and_training_lowers_it(
    loss, tiny_policy, preference_pairs, tmp_path
):
    smoothing, expected = AT_ZERO[loss]
    result = run(
        preference_pairs, tiny_policy, tiny_policy, tmp_path / loss,
        loss=loss, label_smoothing=smoothing,
    )  # fmt: skip
    first, second = values(result, "loss")
    assert first == pytest.approx(expected, rel=1e-5)
    margins = values(result, "rewards/margins")
    if loss == "discopop":  # its slope at zero margin has the other sign
        assert margins[1] < margins[0]
    else:
        assert second < first
        assert margins[1] > margins[0]
    assert hash_checkpoint(tmp_path / loss) != hash_checkpoint(tiny_policy)


def test_smoothing_changes_the_loss_as_the_algebra_says(
    tiny_policy, other_policy, preference_pairs, tmp_path
):
    pair = preference_pairs.head(1)
    pairs = pl.concat([pair] * 8)
    plain, *smoothed = (
        run(
            pairs, tiny_policy, other_policy, tmp_path / f"{e}", max_steps=1, beta=1.0,
            loss="cdpo" if e else "sigmoid", label_smoothing=e,
        )
        for e in (0.0, 0.1, 0.3)
    )  # fmt: skip
    x = values(plain, "rewards/margins")[0]  # one pair: beta h
    assert abs(x) > 0.05
    assert values(plain, "loss")[0] == pytest.approx(-log_sigmoid(x), rel=1e-4)
    for smoothing, result in zip((0.1, 0.3), smoothed, strict=True):
        expected = -(1 - smoothing) * log_sigmoid(x) - smoothing * log_sigmoid(-x)
        assert values(result, "loss")[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"label_smoothing": 0.1}, "sigmoid ignores it"),
        ({"loss": "ipo", "label_smoothing": 0.1}, "ipo ignores it"),
        ({"loss": "cdpo"}, "cdpo needs"),
        ({"loss": "exo_pair"}, "exo_pair needs"),
        ({"loss": "cdpo", "label_smoothing": 0.5}, "less than 0.5"),
        ({"loss": "sft"}, "sigmoid"),
    ],
)
def test_a_smoothing_that_does_nothing_is_refused(changed, words) -> None:
    with pytest.raises(ValidationError, match=words):
        DPOSettings(**changed)


def test_the_loss_and_its_smoothing_are_recorded() -> None:
    assert DPOSettings().dump_decisive()["loss"] == "sigmoid"
    assert DPOSettings(loss="ipo").dump_decisive()["loss"] == "ipo"
    smoothed = DPOSettings(loss="cdpo", label_smoothing=0.1)
    assert smoothed.dump_decisive()["label_smoothing"] == 0.1
    assert DPOSettings.model_validate(smoothed.dump_decisive()) == smoothed
