import re
from urllib.parse import unquote
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.lake.schemas import schema_of
from transforms.views.plots.thumbnails import (
    LIMIT,
    POINTS,
    draw_benchmarks,
    draw_kept_pairs,
    draw_lengths,
    draw_progress,
    draw_reward_by_kl,
    draw_rewards,
    draw_training,
)

finite = st.floats(-1e9, 1e9)


def training(**curves: list[float]) -> pl.DataFrame:
    rows = [
        ("e", 1, "iteration_1/policy", step, 0.1, name, value)
        for name, values in curves.items()
        for step, value in enumerate(values, 1)
    ]
    return pl.DataFrame(rows, schema=schema_of("training_metrics"), orient="row")


def read(markdown: str) -> tuple[list[str], list[list[tuple[float, float]]]]:
    """Return the titles and the points of an SVG in markdown, read by an XML parser."""
    svg = ElementTree.fromstring(
        unquote(re.fullmatch(r"!\[\]\(data:image/svg\+xml,(\S+)\)", markdown)[1])
    )
    space = "{http://www.w3.org/2000/svg}"
    numbers = [
        list(map(float, line.get("points").split(","))) for line in svg.iter(f"{space}polyline")
    ]
    return [text.text for text in svg.iter(f"{space}text")], [
        list(zip(line[::2], line[1::2], strict=True)) for line in numbers
    ]


def test_a_training_has_its_first_and_last_values_and_its_lines():
    titles, lines = read(draw_training(training(loss=[0.7, 0.6, 0.2], accuracy=[0.5, 0.5, 0.9])))
    assert titles == ["loss 0.7 to 0.2", "accuracy 0.5 to 0.9"]
    assert lines == [[(0, 16), (150, 22), (300, 48)], [(0, 104), (150, 104), (300, 72)]]


def test_a_long_line_is_the_means_of_equal_parts():
    _, (line,) = read(draw_training(training(loss=[0.0] * 50 + [1.0] * 50)))
    assert [y for _, y in line] == [48] * (POINTS // 2) + [16] * (POINTS // 2)


def test_rewards_are_counted_in_equal_bins():
    titles, (line,) = read(draw_rewards(pl.Series([0.0] * 3 + [10.0] + [19.9])))
    assert titles == ["0 to 19.9"]
    assert [place for place, (_, y) in enumerate(line) if y < 48] == [0, 10, POINTS - 1]
    assert line[0][1] == 16  # most of the rewards


@pytest.mark.parametrize("rewards", [[1.5], [2.0, 2.0]])
def test_equal_rewards_are_one_bin(rewards):
    _, (line,) = read(draw_rewards(pl.Series(rewards)))
    assert line[0][1] == 16
    assert {y for _, y in line[1:]} == {48}


def policies(**columns: list[float | None]) -> pl.DataFrame:
    """Three policies and a baseline, as reports have them."""
    models = ["offline_dpo", "iteration_10", "iteration_2", "sft_policy"]
    empty = {name: [None] * 4 for name in ("gold_reward", "reward", "kl_to_initial", "sqrt_kl")}
    return pl.DataFrame(
        {"decoding": ["sampled"] * 4, "model": models, **empty, **columns},
        schema_overrides=dict.fromkeys(empty, pl.Float64),
    )


def test_policies_are_drawn_from_the_first_to_the_last_iteration():
    rows = policies(reward=[9.0, 2.0, 1.0, -2.0], kl_to_initial=[1.5, 3.0, 0.5, 0.0])
    greedy = rows.with_columns(decoding=pl.lit("greedy"), reward=7.0)
    titles, lines = read(draw_progress(pl.concat([greedy, rows])))
    assert titles == ["reward -2 to 2", "KL 0 to 3"]
    assert lines[0] == [(0, 48), (150, 24), (300, 16)]
    assert draw_progress(greedy) == ""


def test_rewards_are_placed_by_the_root_of_their_kl():
    rows = policies(gold_reward=[9.0, 1.0, 0.5, 0.0], sqrt_kl=[1.0, 2.0, 0.5, 0.0])
    titles, (line,) = read(draw_reward_by_kl(rows))
    assert titles == ["gold reward 0 to 1 at a KL of 4"]
    assert line == [(0, 48), (75, 32), (300, 16)]


def kept(*sources: tuple[str, int, int]) -> pl.DataFrame:
    rows = pl.DataFrame(sources, schema=["source", "kept_pairs", "candidates"], orient="row")
    return rows.with_columns(kept_fraction=pl.col("kept_pairs") / pl.col("candidates"))


def test_kept_pairs_are_a_part_of_a_bar():
    rows = kept(("hh", 30, 40), ("hh", 30, 40), ("ultrafeedback", 1000, 1000))  # two tokenizers
    titles, (_, bar) = read(draw_kept_pairs(rows))
    assert titles == ["ultrafeedback: 1,000 of 1,000 kept", "hh: 30 of 40 kept"]
    assert bar[-2:] == [(225, 104), (225, 72)]


def test_the_largest_sources_are_drawn_in_place_and_the_others_counted():
    rows = kept(*((f"helpsteer2_preference_{n}", 8_000_000, 8_000_000 + n) for n in range(24)))
    titles, lines = read(draw_kept_pairs(rows))
    assert titles[0] == "helpsteer2_preferen…: 8,000,000 of 8,000,023 kept"
    assert titles[-1] == "and 20 more sources"
    assert len(lines) == len(titles) - 1
    assert len(draw_kept_pairs(rows)) < LIMIT


def lengths(source: str, pairs: int, scale: float) -> list[dict[str, object]]:
    quantiles = {"p05": 10.0, "p25": 20.0, "median": 30.0, "p75": 40.0, "p95": 50.0}
    row = {name: value * scale for name, value in quantiles.items()}
    common = {"source": source, "pairs": pairs, "unit": "chars", **row}
    tokens = {**common, "unit": "tokens", "part": "chosen", "median": 1.0}
    shorter = {"part": "rejected", "median": row["median"] / 2}
    return [{**common, "part": "chosen"}, {**common, **shorter}, tokens]


def test_lengths_are_boxes_of_the_chosen_responses():
    rows = pl.DataFrame(lengths("hh", 5, 1) + lengths("ultrafeedback", 9, 100))
    titles, (_, box) = read(draw_lengths(rows))
    assert titles == [
        "ultrafeedback: chosen 3,000 chars, rejected 1,500",
        "hh: chosen 30 chars, rejected 15",
    ]
    assert [x for x, _ in box] == [0, 75, 75, 225, 225, 300, 225, 225, 75, 75]
    assert {y for _, y in box} == {72, 88, 104}


def test_dagster_shows_the_lengths_of_any_sources_in_place():
    names = [f"helpsteer2_preference_{n}" for n in range(24)]
    sources = [row for n, name in enumerate(names) for row in lengths(name, 10_000 - n, 1234.5)]
    titles, lines = read(drawn := draw_lengths(pl.DataFrame(sources)))
    assert titles[0] == "helpsteer2_preferen…: chosen 37,035 chars, rejected 18,518"
    assert titles[-1] == "and 21 more sources"
    assert len(lines) == len(titles) - 1
    assert len(drawn) < LIMIT


def scores(origin: str, benchmark: str, *values: float) -> list[dict[str, object]]:
    return [{"origin": origin, "benchmark": benchmark, "value": value} for value in values]


def test_benchmarks_are_lines_of_our_models():
    rows = pl.DataFrame(scores("ours", "GSM8K", 20.0, 35.0, 30.0) + scores("paper", "GSM8K", 79.6))
    titles, (line,) = read(draw_benchmarks(rows))
    assert titles == ["GSM8K 20 to 30"]
    assert [y for _, y in line] == [48, 16, 27]
    assert draw_benchmarks(rows.filter(origin="paper")) == ""


def test_dagster_shows_any_benchmarks_in_place():
    values = [12.345 * (n % 7) for n in range(40)]
    names = [f"Arena-Hard v0.{n} (×5)" for n in range(9)]
    rows = pl.DataFrame([row for name in names for row in scores("ours", name, *values)])
    titles, lines = read(drawn := draw_benchmarks(rows))
    assert titles[-1] == "and 6 more"
    assert len(lines) == 3
    assert len(drawn) < LIMIT


def test_nothing_is_drawn_of_nothing():
    assert draw_training(training(grad_norm=[1.0])) == ""
    assert draw_rewards(pl.Series([], dtype=pl.Float64)) == ""
    assert draw_progress(policies()) == draw_reward_by_kl(policies()) == ""


@given(
    st.fixed_dictionaries(
        {name: st.lists(finite, min_size=1) for name in ("loss", "accuracy", "margin")}
    )
)
def test_dagster_shows_any_curves_in_place(curves):
    assert len(draw_training(training(**curves))) < LIMIT


@given(st.lists(st.tuples(finite, finite, st.floats(0, 1e4)), min_size=20, max_size=40))
def test_dagster_shows_any_policies_in_place(values):
    gold, reward, root = map(list, zip(*values, strict=True))
    models = ["sft_policy", *(f"iteration_{number}" for number in range(1, len(values)))]
    rows = pl.DataFrame(
        {"model": models, "gold_reward": gold, "reward": reward, "sqrt_kl": root}
    ).with_columns(decoding=pl.lit("sampled"), kl_to_initial=pl.col("sqrt_kl") ** 2)
    assert len(draw_progress(rows)) < LIMIT
    assert len(draw_reward_by_kl(rows)) < LIMIT
