import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.views.plots.progress import render_progress

PNG = b"\x89PNG\r\n\x1a\n"


def results(gold=True):
    policies = [
        ("shared", 0, "sft_policy"),
        ("shared", 0, "offline_dpo"),
        ("e", 1, "iteration_1/policy"),
    ]
    rows = [
        {"experiment": experiment, "iteration": t, "model": model, "split": "evaluation",
         "decoding": decoding, "metric": metric, "value": float(t), "standard_error": None}
        for experiment, t, model in policies
        for decoding in ("sampled", "greedy")
        for metric in ("reward", "response_tokens", *(["gold_reward"] if gold else []))
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema_of("evaluation_results"))


@pytest.mark.parametrize("frame", [results(), results(gold=False), results().head(1)])
def test_progress(frame):
    assert render_progress(frame).startswith(PNG)


def test_nothing_to_plot_is_refused():
    with pytest.raises(InputError, match="nothing to plot"):
        render_progress(pl.DataFrame(schema=schema_of("evaluation_results")))
