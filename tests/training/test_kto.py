import math

import polars as pl
import pytest

from training.kto import train_kto
from training.models.checkpoint import hash_checkpoint
from training.reference_logps import add_reference_logps
from training.settings.objectives import KTOSettings
from transforms.errors import InputError
from transforms.pairs.unpaired import SIDES, add_mismatched

SETTINGS = KTOSettings(
    learning_rate=1e-3,
    schedule="constant",
    warmup_ratio=0.0,
    max_steps=2,
    batch_size=16,
    micro_batch_size=16,
    max_tokens=32,
    logging_steps=1,
    checkpoint_steps=None,
)


@pytest.fixture(scope="module")
def responses(preference_pairs) -> pl.DataFrame:
    """Both sides of the pairs, the chosen ones desirable."""
    return pl.concat(
        preference_pairs.select(
            "prompt_id", "prompt", completion=side, label=pl.lit(side == "chosen")
        )
        for side in ("chosen", "rejected")
    )


def with_logps(rows, start, reference, settings=SETTINGS):
    rows = add_mismatched(rows, settings.micro_batch_size, 0)
    return add_reference_logps(rows, start, reference, settings, dtype="float32", sides=SIDES).pairs


def run(rows, start, output, **changed):
    settings = SETTINGS.model_copy(update=changed)
    return train_kto(rows, start, output, settings, seed=0, dtype="float32")


def values(result, metric):
    return result.metrics.filter(pl.col("metric") == metric).sort("step")["value"].to_list()


def test_first_loss_is_a_half_where_start_is_the_reference(tiny_policy, responses, tmp_path):
    result = run(with_logps(responses, tiny_policy, tiny_policy), tiny_policy, tmp_path / "kto")
    first, second = values(result, "loss")
    assert first == pytest.approx(0.5, abs=1e-6)
    assert second < first
    assert values(result, "kl")[0] == pytest.approx(0.0, abs=1e-5)
    assert hash_checkpoint(tmp_path / "kto") != hash_checkpoint(tiny_policy)
    assert result.examples == 16


def test_first_loss_is_the_papers_for_another_reference(
    tiny_policy, other_policy, responses, tmp_path
):
    rows = with_logps(responses, tiny_policy, other_policy)
    weights = {"desirable_weight": 1.5, "undesirable_weight": 0.5}
    result = run(rows, tiny_policy, tmp_path / "kto", beta=0.3, max_steps=1, **weights)
    own = with_logps(responses, tiny_policy, tiny_policy)
    ratio = {side: own[f"ref_{side}_logps"] - rows[f"ref_{side}_logps"] for side in SIDES}
    z = max(ratio["KL_completion"].mean(), 0.0)
    losses = [
        weights["desirable_weight" if good else "undesirable_weight"]
        * (1 - 1 / (1 + math.exp(-0.3 * (x - z if good else z - x))))
        for x, good in zip(ratio["completion"], rows["label"], strict=True)
    ]
    assert values(result, "loss")[0] == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert abs(sum(losses) / len(losses) - 0.5) > 1e-3


def test_a_long_row_is_dropped_by_name(tiny_policy, responses, tmp_path):
    long = [{"role": "assistant", "content": "cat " * 40}]
    rows = responses.tail(1).with_columns(
        pl.Series("completion", [long], dtype=responses["completion"].dtype)
    )
    rows = with_logps(pl.concat([responses.head(8), rows]), tiny_policy, tiny_policy)
    result = run(rows, tiny_policy, tmp_path / "kto", max_steps=1)
    # the row itself, and the one that it was the mismatched response of
    assert result.dropped["row_key"].len() == 2
    assert "prompt-7" in result.dropped["row_key"]
    assert result.examples == 7


def test_rows_without_log_probabilities_are_refused(tiny_policy, responses, tmp_path):
    with pytest.raises(InputError, match="have no log-probabilities"):
        run(add_mismatched(responses, 16, 0), tiny_policy, tmp_path / "kto")
