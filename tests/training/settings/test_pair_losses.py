"""The loss of a pair: the conservative one by its algebra, every one through TRL's trainer."""

import math
from collections import defaultdict
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from training.dpo import TokenizedDPOTrainer, train_dpo
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


CHOSEN = (-0.5, -1.5)
REJECTED = (-1.0, -2.0, -3.0, -2.0)
REFERENCE = {"ref_chosen_logps": torch.tensor([-3.0]), "ref_rejected_logps": torch.tensor([-6.0])}
"""A pair by hand: log pi per token, and the reference's sums: c = -2 - -3 = 1, r = -8 - -6 = -2."""


def compute_by_trl(beta: float, **changed) -> float:
    """Return TRL's loss of the pair, whose prompt is one token."""
    arguments = build_loss_arguments(DPOSettings(beta=beta, **changed))
    rows = [[side[i] if i < len(side) else 0.0 for i in range(4)] for side in (CHOSEN, REJECTED)]
    mask = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]])
    unread = torch.zeros(2, 4)
    outputs = SimpleNamespace(
        log_probs=torch.tensor(rows), entropy=unread, mean_logits=unread, is_top1=unread.bool()
    )
    alone = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=alone,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=arguments["loss_type"],
        loss_weights=arguments["loss_weights"],
        label_smoothing=arguments["label_smoothing"],
        beta=beta,
        use_weighting=False,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
    )
    inputs = {"input_ids": mask, "attention_mask": mask, "completion_mask": mask, **REFERENCE}
    found = TokenizedDPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, False)
    return found.item()


def test_the_sft_term_by_hand() -> None:
    # h = 1 - -2 = 3; the chosen response has -log pi of 2 nats in 2 tokens
    plain = compute_by_trl(0.5)
    assert plain == pytest.approx(math.log(1 + math.exp(-1.5)), rel=1e-5)
    assert compute_by_trl(0.5, sft_weight=1.0) == pytest.approx(plain + 1.0, rel=1e-5)
    assert compute_by_trl(0.5, sft_weight=0.2) == pytest.approx(plain + 0.2, rel=1e-5)
    cdpo = compute_by_trl(0.5, loss="cdpo", label_smoothing=0.1)
    assert compute_by_trl(0.5, loss="cdpo", label_smoothing=0.1, sft_weight=2.0) == pytest.approx(
        cdpo + 2.0, rel=1e-5
    )


def test_the_length_normalised_loss_by_hand() -> None:
    # c / |chosen| - r / |rejected| = 1/2 - -2/4 = 1
    assert compute_by_trl(0.5, loss="sigmoid_norm") == pytest.approx(0.474077, abs=1e-6)
    assert compute_by_trl(5.0, loss="sigmoid_norm") == pytest.approx(
        math.log(1 + math.exp(-5)), rel=1e-5
    )


def test_the_sft_term_is_that_of_the_chosen_tokens_in_a_training(
    tiny_policy, other_policy, preference_pairs, tmp_path
):
    """A real training, with one forward pass per pair."""
    pairs = pl.concat([preference_pairs.head(1)] * 8)
    changed = {"max_steps": 1, "beta": 1.0, "sft_weight": 0.5}
    result = run(pairs, tiny_policy, other_policy, tmp_path / "run", **changed)
    rows = add_reference_logps(pairs, tiny_policy, tiny_policy, SETTINGS, dtype="float32").pairs
    tokens = len(rows["chosen_ids"][0])
    likelihood = rows["ref_chosen_logps"][0]  # under the start, where the first loss is measured
    expected = -log_sigmoid(values(result, "rewards/margins")[0]) - 0.5 * likelihood / tokens
    assert values(result, "loss")[0] == pytest.approx(expected, rel=1e-4)


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
        ({"sft_weight": -1.0}, "greater than or equal to 0"),
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
