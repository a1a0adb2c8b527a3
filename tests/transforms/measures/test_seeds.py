import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.measures.seeds import average_over_seeds, require_different_seeds

ROWS = {"experiment": "x", "decoding": "sampled", "ranker_id": "of_its_lake"}


def report(*rows):
    return pl.DataFrame([ROWS | row for row in rows])


def test_a_figure_has_its_mean_the_error_between_seeds_and_the_lakes_own():
    found = average_over_seeds(
        [report({"reward": r, "reward_se": e}) for r, e in ((1, 0.1), (3, 0.3))]
    )
    assert found.to_dicts() == [
        {"experiment": "x", "decoding": "sampled", "seeds": 2, "reward": 2.0,
         "reward_se": pytest.approx(1.0), "reward_within_se": pytest.approx(0.2)}
    ]  # fmt: skip


def test_the_error_of_a_paired_difference_is_not_that_of_its_sides():
    seeds = [(1.0, 0.5), (2.0, 1.5), (6.0, 5.5)]
    found = average_over_seeds([report({"a": a, "b": b, "a_minus_b": a - b}) for a, b in seeds])
    assert found["a_minus_b"].item() == 0.5
    assert found["a_minus_b_se"].item() == 0.0
    assert found["a_se"].item() > 1


def test_seeds_with_a_clear_difference_are_counted():
    # errors from zero: 4, 2 (not more than two), -3
    values = [(0.4, 0.1), (0.2, 0.1), (-0.3, 0.1)]
    found = average_over_seeds(
        [report({"gold_difference": v, "gold_difference_se": e, "reward": v, "reward_se": e})
         for v, e in values]
    )  # fmt: skip
    assert found.select("gold_difference_above", "gold_difference_below").row(0) == (1, 1)
    assert "reward_above" not in found.columns


def test_iterations_are_rows_and_flags_are_shares():
    rows = [report(*({"iteration": t, "selected": t == last} for t in (1, 2))) for last in (1, 2)]
    assert average_over_seeds(rows).select("iteration", "seeds", "selected").rows() == [
        (1, 2, 0.5),
        (2, 2, 0.5),
    ]


def test_a_figure_that_a_seed_lacks_is_null_and_one_that_all_lack_is_left_out():
    schema = {"gold": pl.Float64}
    first = report({"reward": 1.0, "gold": None}, {"decoding": "greedy", "reward": 1.0})
    second = report({"reward": None, "gold": None}, {"decoding": "greedy", "reward": 3.0})
    found = average_over_seeds([one.cast(schema) for one in (first, second)])
    assert "gold" not in found.columns
    assert found.select("decoding", "seeds", "reward", "reward_se").rows() == [
        ("sampled", 2, None, None),
        ("greedy", 2, 2.0, 1.0),
    ]


def test_a_count_that_all_seeds_have_stays_a_count():
    found = average_over_seeds([report({"reward": r, "prompts": 300}) for r in (1.0, 3.0)])
    assert found.drop("experiment", "decoding").to_dicts() == [
        {"seeds": 2, "reward": 2.0, "reward_se": pytest.approx(1.0), "prompts": 300}
    ]
    other = average_over_seeds([report({"reward": 1.0, "prompts": n}) for n in (300, 298)])
    assert other.select("prompts", "prompts_se").row(0) == (299.0, pytest.approx(1.0))


def test_one_seed_has_no_error():
    found = average_over_seeds(
        [report({"reward": 1.0}), report({"experiment": "y", "reward": 2.0})]
    )
    assert found.select("experiment", "seeds", "reward", "reward_se").rows() == [
        ("x", 1, 1.0, None),
        ("y", 1, 2.0, None),
    ]


def test_a_report_without_figures_is_refused():
    with pytest.raises(InputError, match="columns of numbers"):
        average_over_seeds([report({}), report({})])


def lake_with(path, asset, seed):
    lake = Lake(path)
    settings = json.dumps({"sft": {"epochs": 1}, "seed": seed})
    row = {"experiment": "shared", "asset": asset, "settings": settings}
    lake.append("checkpoints", pl.DataFrame([row], schema=schema_of("checkpoints")))
    return lake


@pytest.mark.parametrize("asset", ["sft_policy", "initial_model"])
def test_lakes_of_one_seed_are_refused(tmp_path, asset):
    """Without fine-tuning all seeds of a given model have the same pi_0."""
    seeds = {"a": 0, "b": 1, "b_again": 1}
    lakes = [lake_with(tmp_path / name, asset, seed) for name, seed in seeds.items()]
    require_different_seeds(lakes[:2])
    for same in (lakes[1:], lakes[:1], [lakes[0], lakes[0]]):
        with pytest.raises(InputError, match="do not have different seeds"):
            require_different_seeds(same)
