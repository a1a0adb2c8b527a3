from typing import get_args

import polars as pl
import pytest

from transforms.pairs.pair_rules import (
    RULES,
    all_above_margin,
    best_vs_random,
    best_vs_second,
    best_vs_worst,
)
from transforms.settings.pairs import PairSettings


def ranked(**prompts):
    """Ranked responses from {prompt_id: response indices, best first}."""
    rows = [
        (prompt, index, place, len(indices))
        for prompt, indices in prompts.items()
        for place, index in enumerate(indices)
    ]
    return pl.DataFrame(
        rows, schema=["prompt_id", "response_index", "place", "usable"], orient="row"
    )


def pairs(candidates):
    return sorted(candidates.select("prompt_id", "chosen_place", "rejected_place").rows())


FRAME = ranked(p=[2, 0, 1], q=[1, 0], alone=[0])


def test_best_vs_worst():
    assert pairs(best_vs_worst(FRAME)) == [("p", 0, 2), ("q", 0, 1)]


def test_best_vs_second():
    assert pairs(best_vs_second(FRAME)) == [("p", 0, 1), ("q", 0, 1)]


def test_all_above_margin():
    assert pairs(all_above_margin(FRAME)) == [("p", 0, 1), ("p", 0, 2), ("p", 1, 2), ("q", 0, 1)]


def test_best_vs_random_takes_each_of_the_others_as_often():
    frame = ranked(**{f"prompt {i}": [3, 0, 1, 2] for i in range(3000)})
    drawn = best_vs_random(frame)
    assert (drawn["chosen_place"] == 0).all()
    counts = drawn["rejected_place"].value_counts().sort("rejected_place")
    assert counts["rejected_place"].to_list() == [1, 2, 3]
    # three standard deviations of a count with p = 1/3
    assert counts["count"].to_list() == pytest.approx([1000] * 3, abs=3 * (3000 * 2 / 9) ** 0.5)


def test_best_vs_random_is_the_prompts_own_choice():
    drawn = pairs(best_vs_random(FRAME))
    assert drawn == pairs(best_vs_random(FRAME.sample(6, shuffle=True, seed=1)))
    assert pairs(best_vs_random(ranked(p=[2, 0, 1]))) == drawn[:1]


def test_the_settings_name_the_rules():
    assert set(get_args(PairSettings.model_fields["rule"].annotation)) == set(RULES)
