"""Mixtures: duplicates, contradictions, caps and weights; nothing disappears."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.sources import MixtureSource
from transforms.sources.intake.mixtures import (
    COMPARABLE,
    mix,
    read_comparable_pairs,
    write_mixtures,
)


def pairs(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Pairs of (source, pair_id, reversed_id), keyed by their number."""
    keyed = [
        (f"{source}:{n}", source, "0", pair, other) for n, (source, pair, other) in enumerate(rows)
    ]
    return pl.DataFrame(keyed, schema=COMPARABLE, orient="row")


def test_a_pair_that_two_sources_have_is_taken_from_the_first_in_the_alphabet() -> None:
    rows = pairs(("b", "p", "q"), ("a", "p", "q"))
    kept, dropped = mix("m", rows, {"a": MixtureSource(), "b": MixtureSource()})
    assert kept.rows() == [("m", "a", "p", 1)]
    assert dropped.select("table", "source", "reason", "evidence").rows() == [
        ("mixture_m", "b", "duplicate_pair", "first in a at a:1")
    ]


def test_both_sides_of_a_contradiction_are_left_out() -> None:
    rows = pairs(("a", "p", "q"), ("b", "q", "p"), ("b", "r", "s"))
    kept, dropped = mix("m", rows, {"a": MixtureSource(), "b": MixtureSource()})
    assert kept["pair_id"].to_list() == ["r"]
    assert sorted(dropped["reason"]) == ["contradicted", "contradicted"]


def test_a_contradiction_outside_the_mixture_does_not_count() -> None:
    kept, _ = mix("m", pairs(("a", "p", "q"), ("b", "q", "p")), {"a": MixtureSource()})
    assert kept["pair_id"].to_list() == ["p"]


def test_a_cap_keeps_the_lowest_hashes_of_each_source() -> None:
    rows = pairs(("a", "3", "x"), ("a", "1", "y"), ("a", "2", "z"), ("b", "9", "w"))
    kept, dropped = mix("m", rows, {"a": MixtureSource(max_pairs=2), "b": MixtureSource()})
    assert sorted(kept["pair_id"]) == ["1", "2", "9"]
    assert dropped.select("reason", "evidence").rows() == [("over_cap", "number 3, at most 2")]


@pytest.mark.parametrize(
    ("weight", "copies"), [(1.0, [1, 1, 1, 1]), (0.5, [1, 1]), (2.25, [3, 2, 2, 2]), (0.1, [])]
)
def test_a_weight_is_the_mean_number_of_copies(weight: float, copies: list[int]) -> None:
    rows = pairs(*(("a", str(n), f"r{n}") for n in range(4)))
    kept, dropped = mix("m", rows, {"a": MixtureSource(weight=weight)})
    assert kept.sort("pair_id")["copies"].to_list() == copies
    assert set(dropped["reason"]) <= {"under_weight"}
    assert kept.height + dropped.height == 4


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("pqrs"), st.sampled_from("pqrs")),
        max_size=12,
    ),
    cap=st.one_of(st.none(), st.integers(1, 3)),
    weight=st.floats(0.1, 3),
)
def test_every_pair_of_a_mixture_is_mixed_or_in_the_ledger(rows, cap, weight) -> None:
    part = MixtureSource(max_pairs=cap, weight=weight)
    kept, dropped = mix("m", pairs(*rows), {"a": part, "b": part})
    assert kept.height + dropped.height == sum(source in "ab" for source, _, _ in rows)
    assert kept["pair_id"].is_unique().all()


@given(prompts=st.lists(st.text(), max_size=12), cap=st.one_of(st.none(), st.integers(1, 3)))
def test_halves_share_no_prompt_and_together_have_every_pair(prompts, cap) -> None:
    from transforms.identity import digest

    rows = pl.DataFrame(
        [
            (f"a:{n}", "a", digest(prompt), digest(f"{n}"), digest(f"reversed {n}"))
            for n, prompt in enumerate(prompts)
        ],
        schema=COMPARABLE,
        orient="row",
    )
    prompt_of = dict(rows.select("pair_id", "prompt_id").iter_rows())
    halves = [
        mix("m", rows, {"a": MixtureSource(half=half, max_pairs=cap)})
        for half in ("first", "second")
    ]
    first, second = ({prompt_of[pair] for pair in kept["pair_id"]} for kept, _ in halves)
    assert not first & second
    if cap is None:
        assert first | second == set(prompt_of.values())
    for kept, dropped in halves:
        assert kept.height + dropped.height == rows.height
        assert set(dropped["reason"]) <= {"other_half", "over_cap"}


def test_a_half_is_independent_of_the_split() -> None:
    from transforms.identity import digest
    from transforms.prompts.splits import assign_split
    from transforms.settings.prompts import SplitSettings
    from transforms.sources.intake.mixtures import find_half

    ids = pl.DataFrame({"prompt_id": [digest(str(n)) for n in range(4000)]})
    counts = ids.group_by(
        split=assign_split("prompt_id", SplitSettings(), 2), half=find_half("prompt_id")
    ).len()
    shares = counts.group_by("split").agg(
        pl.col("len").filter(half="first").sum() / pl.col("len").sum()
    )
    assert shares["len"].is_between(0.3, 0.7).all()


def conversation(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def test_mixtures_of_a_lake_see_training_pairs_and_find_reversed_ones(tmp_path) -> None:
    from transforms.sources.intake.preferences import identify_pairs

    def row(source: str, key: str, chosen: str, rejected: str, split: str) -> dict:
        return {
            "source": source,
            "row_key": key,
            "prompt_id": "x",
            "prompt": conversation("user", "?"),
            "chosen": conversation("assistant", chosen),
            "rejected": conversation("assistant", rejected),
            "split": split,
        }

    rows = pl.DataFrame(
        [
            row("a", "a:1", "yes", "no", "train"),
            row("b", "b:1", "no", "yes", "train"),
            row("b", "b:2", "perhaps", "no", "train"),
            row("b", "b:3", "perhaps", "yes", "reward_validation"),
        ],
        schema_overrides=schema_of("preference_pairs"),
    ).with_columns(
        pair_id=identify_pairs("prompt", "chosen", "rejected"),
        chosen_score=None,
        rejected_score=None,
        margin=None,
    )
    lake = Lake(tmp_path)
    lake.overwrite(
        "preference_pairs",
        rows.cast({"chosen_score": float, "rejected_score": float, "margin": float}),
    )
    assert read_comparable_pairs(lake).height == 3
    counts = write_mixtures(lake, {"all": {"a": MixtureSource(), "b": MixtureSource()}})
    assert counts.rows() == [("all", "b", 1, 1)]
    left_out = lake.read("dropped_rows", table="mixture_all")
    assert sorted(left_out["row_key"]) == ["a:1", "b:1"]
    assert set(left_out["reason"]) == {"contradicted"}
