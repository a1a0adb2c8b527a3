import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.identity import digest, identify_messages
from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import schema_of
from transforms.prompts.splits import (
    TokenLimit,
    assign_split,
    hold_out_demonstrations,
    hold_out_pairs,
    split_prompts,
)
from transforms.settings.prompts import SplitSettings

SPLITS = SplitSettings()


def prompts(count, source="s"):
    messages = [[{"role": "user", "content": f"{source}{n}"}] for n in range(count)]
    frame = pl.DataFrame({"prompt": messages}).with_columns(
        source=pl.lit(source), prompt_chars=pl.lit(2, dtype=pl.Int64)
    )
    return frame.with_columns(prompt_id=identify_messages("prompt"))


def assigned(prompt_ids, splits=SPLITS, iterations=3):
    frame = pl.DataFrame({"prompt_id": prompt_ids}, schema={"prompt_id": pl.String})
    return frame.select(assign_split("prompt_id", splits, iterations)).to_series().to_list()


def test_intervals_of_the_hash():
    ids = ["0" * 32, "1" + "9" * 31, "2" * 32, "3" * 32, "4" * 32, "f" * 32, None]
    assert assigned(ids) == [
        "evaluation", "evaluation", "validation", "validation", "iteration_1", "iteration_3", None,
    ]  # fmt: skip
    assert assigned(["39" + "0" * 30]) == ["reward_validation"]


def test_fractions_are_met():
    counts = pl.Series(assigned([digest(str(n)) for n in range(20_000)])).value_counts()
    shares = dict(counts.rows())
    wanted = {"evaluation": 0.1, "validation": 0.1, "reward_validation": 0.05}
    wanted |= {f"iteration_{t}": 0.25 for t in (1, 2, 3)}
    assert set(shares) == set(wanted)
    for split, share in wanted.items():
        assert shares[split] / 20_000 == pytest.approx(share, abs=0.01)


def test_promotion_takes_its_share_from_the_iterations_alone():
    ids = [digest(str(n)) for n in range(5_000)]
    own = SplitSettings(promotion_fraction=0.2, promotion_prompts=50)
    before, after = assigned(ids), assigned(ids, own)
    held = {"evaluation", "validation", "reward_validation"}
    assert [s for s in before if s in held] == [s for s in after if s in held]
    assert after.count("promotion") / 5_000 == pytest.approx(0.2, abs=0.02)
    kept, _ = split_prompts(prompts(1_000), own, 2)
    assert dict(kept["split"].value_counts().rows())["promotion"] == 50
    # no training table has one
    demonstrations = pl.DataFrame({"prompt_id": kept["prompt_id"]}).with_columns(
        source=pl.lit("s"), row_key=pl.lit("k")
    )
    _, dropped = hold_out_demonstrations(demonstrations, own, 2)
    assert dropped["evidence"].str.ends_with("in promotion").sum() == 50


def test_a_length_study_takes_its_share_from_the_iterations_alone():
    ids = [digest(str(n)) for n in range(5_000)]
    study = SplitSettings(length_study_fraction=0.2, length_study_prompts=50)
    before, after = assigned(ids), assigned(ids, study)
    held = {"evaluation", "validation", "reward_validation"}
    assert [s for s in before if s in held] == [s for s in after if s in held]
    assert after.count("length_study") / 5_000 == pytest.approx(0.2, abs=0.02)
    kept, dropped = split_prompts(prompts(1_000), study, 2)
    assert dict(kept["split"].value_counts().rows())["length_study"] == 50
    assert kept.height + dropped.height == 1_000


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(1, 99))
def test_held_out_prompts_do_not_depend_on_the_number_of_iterations(prompt_id, iterations):
    one, many = (
        assigned([prompt_id], iterations=1)[0],
        assigned([prompt_id], iterations=iterations)[0],
    )
    assert one == many or (one == "iteration_1" and 1 <= int(many.split("_")[1]) <= iterations)


def test_adding_a_source_moves_no_prompt_and_a_cap_keeps_the_lowest_hashes():
    splits = SplitSettings(prompts_per_iteration=30, evaluation_prompts=10)
    few, dropped = split_prompts(prompts(400), splits, 2)
    enforce_schema("prompt_splits", few)
    enforce_schema("dropped_rows", dropped)
    many, _ = split_prompts(
        pl.concat([prompts(400), prompts(400, "t")]),
        splits.model_copy(update={"prompts_per_iteration": 10_000}),
        2,
    )
    moved = few.join(many, on="prompt_id", suffix="_many").filter(
        pl.col("split") != pl.col("split_many")
    )
    assert moved.is_empty()
    counts = dict(few["split"].value_counts().rows())
    assert (counts["iteration_1"], counts["iteration_2"], counts["evaluation"]) == (30, 30, 10)
    assert few.height + dropped.height == 400
    assert set(dropped["reason"]) == {"over_cap", "reward_validation"}
    over = dropped.filter(reason="over_cap").select(
        prompt_id="row_key", split=assign_split("row_key", splits, 2)
    )
    lowest = few.group_by("split").agg(pl.col("prompt_id").max())
    pairs = over.join(lowest, on="split", suffix="_kept")
    assert (pairs["prompt_id"] > pairs["prompt_id_kept"]).all()


def test_an_empty_split_is_named():
    with pytest.raises(InputError, match=r"no prompt is in split .*iteration_9"):
        split_prompts(prompts(3), SPLITS, 9)


def test_held_out_prompts_are_in_no_training_table():
    frame = prompts(300).with_columns(row_key=pl.int_range(300).cast(pl.String))
    demonstrations = frame.select("source", "row_key", "prompt_id", messages="prompt")
    kept, dropped = hold_out_demonstrations(demonstrations, SPLITS, 3)
    enforce_schema("demonstrations", kept)
    score = pl.lit(None, dtype=pl.Float64)
    pairs = frame.with_columns(
        pair_id="prompt_id",
        chosen="prompt",
        rejected="prompt",
        chosen_score=score,
        rejected_score=score,
        margin=score,
    )
    kept_pairs, dropped_pairs = hold_out_pairs(pairs, SPLITS, 3)
    enforce_schema("preference_pairs", kept_pairs)
    enforce_schema("dropped_rows", dropped_pairs)
    assert dropped["row_key"].to_list() == dropped_pairs["row_key"].to_list()
    assert set(dropped["reason"]) == {"held_out_prompt"}
    assert kept.height + dropped.height == 300
    used, _ = split_prompts(
        frame.select("prompt_id", "source", "prompt", "prompt_chars"), SPLITS, 3
    )
    held = used.filter(pl.col("split").is_in(["evaluation", "validation"]))
    assert held.join(kept, on="prompt_id").is_empty()
    measured = kept_pairs.filter(split="reward_validation")
    assert measured.height > 0
    assert used.join(measured, on="prompt_id").is_empty()


def test_long_prompts_stand_in_the_ledger() -> None:
    chars = [5] * 400 + [500]
    prompts = pl.DataFrame(
        {
            "prompt_id": [digest(str(index)) for index in range(len(chars))],
            "source": "source",
            "prompt": [[{"role": "user", "content": "x" * count}] for count in chars],
            "prompt_chars": chars,
            "reference": None,
        },
        schema=schema_of("prompts"),
    )
    splits = SPLITS.model_copy(update={"max_prompt_chars": 100})
    used, dropped = split_prompts(prompts, splits, 2)
    assert used.height + dropped.height == len(chars)
    assert dropped.filter(reason="too_long")["row_key"].to_list() == [digest("400")]


def test_prompts_with_too_many_tokens_make_room_for_others_and_no_more_are_counted() -> None:
    counted: list[str] = []

    def count(rows: pl.DataFrame) -> pl.Series:
        counted.extend(rows["prompt_id"])
        return rows["prompt_id"].str.slice(-1).str.to_integer(base=16).cast(pl.Int64)

    splits = SPLITS.model_copy(
        update={"prompts_per_iteration": 20, "evaluation_prompts": 5, "validation_prompts": 5}
    )
    frame = prompts(1_000)
    used, dropped = split_prompts(frame, splits, 2, TokenLimit(7, count))
    assert dict(used["split"].value_counts().rows()) == {
        "iteration_1": 20, "iteration_2": 20, "evaluation": 5, "validation": 5,
    }  # fmt: skip
    enforce_schema("dropped_rows", dropped)
    assert used.height + dropped.height == frame.height
    long = dropped.filter(reason="too_long")
    assert sorted([*used["prompt_id"], *long["row_key"]]) == sorted(counted)
    every = split_prompts(frame, splits, 2, TokenLimit(16, count))[0]
    fitting = frame.filter(pl.col("prompt_id").str.slice(-1).is_in([*"01234567"]))
    assert used.equals(split_prompts(fitting, splits, 2)[0])
    assert every.equals(split_prompts(frame, splits, 2)[0])
