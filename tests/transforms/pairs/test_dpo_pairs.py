import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.pairs.dpo_pairs import make_pairs, require_pairs
from transforms.pairs.length_penalty import resolve_length_penalty
from transforms.pairs.pair_rules import RULES
from transforms.settings.pairs import PairSettings


def responses(prompts):
    """Build responses from {prompt_id: [(text, reward) or (text, reward, finish_reason)]}."""
    rows = [
        (prompt_id, index, text, len(text), len(text), (*end, "stop")[0], reward)
        for prompt_id, texts in prompts.items()
        for index, (text, reward, *end) in enumerate(texts)
    ]
    names = ["prompt_id", "response_index", "response", "response_tokens", "response_chars",
             "finish_reason", "reward"]  # fmt: skip
    schema = {name: {**schema_of("generations"), **schema_of("scores")}[name] for name in names}
    prompt = pl.concat_list(pl.struct(role=pl.lit("user"), content="prompt_id")).cast(MESSAGES)
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(prompt=prompt)


def paired(frame, **settings):
    """Pair responses with the penalty of the settings."""
    settings = PairSettings(**settings)
    return make_pairs(frame, settings, resolve_length_penalty(frame, settings))


def test_best_against_worst():
    frame = responses({"p": [("aa", 0.5), ("b", 2.0), ("c", -1.0)]})
    pairs, dropped = paired(frame)
    key = {"experiment": pl.lit("e"), "iteration": pl.lit(1, dtype=pl.Int32)}
    enforce_schema("dpo_pairs", pairs.with_columns(**key))
    enforce_schema("dropped_pairs", dropped.with_columns(**key))
    pair = pairs.row(0, named=True)
    assert pair["chosen"] == [{"role": "assistant", "content": "b"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "c"}]
    assert (pair["chosen_response_index"], pair["rejected_response_index"]) == (1, 2)
    assert (pair["chosen_reward"], pair["rejected_reward"], pair["margin"]) == (2.0, -1.0, 3.0)


def test_the_penalty_also_orients_the_pair():
    # upstream's rule picks these two by r - 0.001 |a| and then prefers the long one for its r = 2.0
    frame = responses({"p": [("x" * 2000, 2.0), ("y" * 300, 1.9)]})
    pairs, _ = paired(frame, length_penalty=0.001)
    pair = pairs.row(0, named=True)
    assert pair["chosen_response_index"] == 1
    assert pair["chosen_penalised_reward"] == pytest.approx(1.6)
    assert pair["rejected_penalised_reward"] == pytest.approx(0.0)
    assert pair["margin"] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("texts", "changes", "reason"),
    [
        ([("a", 1.0)], {}, "too_few_responses"),
        ([("a", 1.0, "length"), ("b", 2.0)], {"drop_truncated": True}, "too_few_responses"),
        ([("a", 1.0, "length")] * 2, {"drop_truncated": True}, "too_few_responses"),
        ([("a", 1.0), ("a", 2.0)], {}, "equal_text"),
        ([("a", 1.0), ("b", 1.0)], {}, "equal_reward"),
        ([("aa", 2.0), ("b", 1.0)], {"length_penalty": 1.0}, "equal_reward"),
        ([("a", 1.0), ("b", 1.5)], {"min_margin": 0.6}, "small_margin"),
    ],
)
def test_prompts_without_a_pair_are_dropped_with_a_reason(texts, changes, reason):
    pairs, dropped = paired(responses({"p": texts}), **changes)
    assert pairs.is_empty()
    assert dropped.rows() == [("p", reason)]


MARGINS = {"p": 1.0, "q": 3.0, "r": 2.0, "s": 1.0, "t": 2.0}


@pytest.mark.parametrize(
    ("share", "kept"),
    # of the equal margins of r and t, and of p and s, the first prompt's is kept
    [(0.1, "q"), (0.4, "qr"), (0.5, "qrt"), (0.8, "pqrt"), (1.0, "pqrst")],
)
def test_a_share_of_the_pairs_is_kept_by_margin(share, kept):
    prompts = {key: [("a", margin), ("b", 0.0)] for key, margin in MARGINS.items()}
    pairs, dropped = paired(responses(prompts), largest_margins=share)
    assert pairs["prompt_id"].to_list() == list(kept)
    assert dropped.rows() == [(key, "small_margin") for key in MARGINS if key not in kept]


def test_the_share_counts_pairs_that_other_rules_left():
    prompts = {"p": [("a", 9.0), ("a", 0.0)], "q": [("a", 5.0)], "r": [("a", 3.0), ("b", 1.0)],
               "s": [("a", 1.0), ("b", 0.0)]}  # fmt: skip
    pairs, dropped = paired(responses(prompts), largest_margins=0.5)
    assert pairs["prompt_id"].to_list() == ["r"]
    assert dropped.rows() == [
        ("p", "equal_text"), ("q", "too_few_responses"), ("s", "small_margin"),
    ]  # fmt: skip


def test_a_rule_with_several_pairs_of_a_prompt_keeps_the_widest():
    frame = responses({"p": [("a", 5.0), ("b", 3.0), ("c", 0.0)], "q": [("a", 1.0), ("b", 0.0)]})
    pairs, dropped = paired(frame, rule="all_above_margin", largest_margins=0.5)
    assert pairs.select("prompt_id", "margin").rows() == [("p", 5.0), ("p", 3.0)]
    assert dropped.rows() == [("q", "small_margin")]


def test_ties_of_the_best_go_to_the_lowest_index():
    frame = responses({"p": [("a", 0.0), ("b", 1.0), ("c", 1.0), ("d", 0.0)]})
    pairs, _ = paired(frame.sample(4, shuffle=True, seed=1))
    assert pairs.select("chosen_response_index", "rejected_response_index").row(0) == (1, 3)


@pytest.mark.parametrize(
    ("rule", "margin", "expected"),
    [
        ("best_vs_worst", 0.0, [(1, 2)]),
        ("best_vs_second", 0.0, [(1, 3)]),
        ("best_vs_second", 0.5, []),
        ("all_above_margin", 0.0, [(1, 3), (1, 0), (1, 2), (3, 0), (3, 2), (0, 2)]),
        ("all_above_margin", 1.5, [(1, 0), (1, 2), (3, 2), (0, 2)]),
    ],
)
def test_each_rule_on_one_prompt(rule, margin, expected):
    frame = responses({"p": [("a", 0.5), ("b", 2.0), ("c", -1.0), ("d", 1.75)]})
    pairs, dropped = paired(frame, rule=rule, min_margin=margin)
    key = pairs.select("chosen_response_index", "rejected_response_index")
    assert key.rows() == expected
    assert dropped.rows() == ([] if expected else [("p", "small_margin")])


def test_pairs_of_equal_texts_are_one_pair():
    frame = responses({"p": [("a", 1.0), ("b", 0.0), ("b", 0.0), ("a", 1.0)]})
    pairs, _ = paired(frame, rule="all_above_margin")
    assert pairs.select("chosen_response_index", "rejected_response_index").rows() == [(0, 1)]


def test_the_unit_of_length():
    frame = responses({"p": [("aa", 2.0), ("b", 1.5)]}).with_columns(
        response_tokens=pl.Series([1, 9], dtype=pl.Int32)
    )
    for unit, chosen in [("chars", 1), ("tokens", 0)]:
        pairs, _ = paired(frame, length_penalty=1.0, length_unit=unit)
        assert pairs["chosen_response_index"].to_list() == [chosen]


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_is_refused(reward):
    with pytest.raises(InputError, match=r"1 of 2 are not, the first .* response 1 of prompt p"):
        paired(responses({"p": [("a", 1.0), ("b", reward)]}))


def test_a_response_that_a_judge_gave_no_verdict_on_is_not_usable():
    texts = {"p": [("a", 1.0), ("b", None), ("c", 0.0)], "q": [("a", 1.0), ("b", None)]}
    pairs, dropped = paired(responses(texts))
    assert pairs.select("chosen_response_index", "rejected_response_index").rows() == [(0, 2)]
    assert dropped.rows() == [("q", "too_few_responses")]


def test_a_calibrated_penalty_takes_a_reward_of_length_alone_away():
    # each character is worth 0.5; in q the short one is better by 0.25 than its length
    frame = responses({"p": [("a", 0.5), ("aaa", 1.5)], "q": [("b", 0.75), ("bbb", 1.5)]})
    settings_ = PairSettings(length_penalty="calibrated")
    # Sxr / Sxx of both: (1.0 + 0.75) / (2 + 2)
    assert resolve_length_penalty(frame, settings_) == pytest.approx(1.75 / 4)
    by_reward, _ = paired(frame)
    assert by_reward["chosen_response_index"].to_list() == [1, 1]
    by_rest, _ = paired(frame, length_penalty="calibrated")
    assert by_rest["chosen_response_index"].to_list() == [1, 0]
    assert by_rest["margin"].to_list() == pytest.approx([0.125, 0.125])


def test_a_calibrated_penalty_is_in_the_unit_of_length():
    frame = responses({"p": [("a", 1.0), ("aaa", 2.0)]}).with_columns(
        response_tokens=pl.Series([9, 5], dtype=pl.Int32)
    )
    for unit, penalty in [("chars", 0.5), ("tokens", -0.25)]:
        settings_ = PairSettings(length_penalty="calibrated", length_unit=unit)
        assert resolve_length_penalty(frame, settings_) == pytest.approx(penalty)


def test_a_penalty_is_calibrated_on_the_responses_that_can_be_paired():
    texts = [("a", 1.0), ("aaa", 2.0), ("a" * 99, -50.0, "length")]
    frame = responses({"p": texts})
    cut = PairSettings(length_penalty="calibrated", drop_truncated=True)
    assert resolve_length_penalty(frame, cut) == pytest.approx(0.5)
    assert resolve_length_penalty(frame, PairSettings(length_penalty="calibrated")) < 0
    with pytest.raises(InputError, match="none with two lengths"):
        resolve_length_penalty(responses({"p": [texts[0], texts[2]]}), cut)


@pytest.mark.parametrize("value", [-0.1, "calibrate", None])
def test_a_penalty_is_a_number_or_calibrated(value):
    with pytest.raises(ValidationError, match="length_penalty"):
        PairSettings(length_penalty=value)


# rewards and penalties in quarters: exact in binary, so that ties are real ties
texts = st.tuples(
    st.text("ab", min_size=1, max_size=8),
    st.integers(-8, 8).map(lambda quarters: quarters / 4),
    st.sampled_from(["stop", "length"]),
)
prompts = st.dictionaries(
    st.sampled_from("pqrst"), st.lists(texts, min_size=1, max_size=5), min_size=1
)


choices = {
    "rule": st.sampled_from(sorted(RULES)),
    "length_penalty": st.integers(0, 4).map(lambda quarters: quarters / 4),
    "min_margin": st.sampled_from([0.0, 0.5]),
    "drop_truncated": st.booleans(),
}


@settings(max_examples=120, deadline=None)
@given(prompts, st.fixed_dictionaries(choices))
def test_every_prompt_is_paired_or_dropped_and_the_penalty_orients_every_pair(prompts, chosen):
    pairs, dropped = paired(responses(prompts), **chosen)
    assert {*pairs["prompt_id"]} | {*dropped["prompt_id"]} == set(prompts)
    assert not {*pairs["prompt_id"]} & {*dropped["prompt_id"]}
    assert dropped["prompt_id"].is_unique().all()
    for pair in pairs.iter_rows(named=True):
        sides = {}
        for side in ("chosen", "rejected"):
            text, reward, _ = prompts[pair["prompt_id"]][pair[f"{side}_response_index"]]
            assert pair[side] == [{"role": "assistant", "content": text}]
            assert pair[f"{side}_reward"] == reward
            sides[side] = reward - chosen["length_penalty"] * len(text)
            assert pair[f"{side}_penalised_reward"] == sides[side]
        assert pair["margin"] == sides["chosen"] - sides["rejected"] > 0
        assert pair["margin"] >= chosen["min_margin"]
        assert pair["chosen"] != pair["rejected"]
        assert pair["rule"] == chosen["rule"]


@settings(max_examples=60, deadline=None)
@given(prompts, st.fixed_dictionaries(choices), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(prompts, chosen, random):
    frame = responses(prompts)
    rows = list(range(frame.height))
    random.shuffle(rows)
    for one, other in zip(paired(frame, **chosen), paired(frame[rows], **chosen), strict=True):
        assert one.equals(other)


@settings(max_examples=60, deadline=None)
@given(prompts, st.fixed_dictionaries(choices))
def test_every_rules_pairs_are_among_all(prompts, chosen):
    """By texts: of pairs with equal texts, all_above_margin keeps the first."""
    frame = responses(prompts)
    texts = ["prompt_id", "chosen", "rejected"]
    pairs, _ = paired(frame, **chosen)
    every, dropped = paired(frame, **chosen | {"rule": "all_above_margin"})
    assert pairs.join(every, on=texts, how="anti").is_empty()
    # a prompt that no rule can pair has the same reason under best against worst
    _, lost = paired(frame, **chosen | {"rule": "best_vs_worst"})
    assert dropped.join(lost, on=["prompt_id"], how="anti").is_empty()


@settings(max_examples=60, deadline=None)
@given(prompts, st.integers(0, 4), st.integers(1, 4))
def test_a_higher_penalty_never_makes_the_chosen_longer(prompts, penalty, more):
    frame = responses(prompts)
    low, high = (
        paired(frame, length_penalty=steps / 4)[0].select(
            "prompt_id",
            chosen_chars=pl.col("chosen").list.first().struct.field("content").str.len_chars(),
        )
        for steps in (penalty, penalty + more)
    )
    both = low.join(high, on="prompt_id", suffix="_high")
    assert (both["chosen_chars_high"] <= both["chosen_chars"]).all()


def test_no_pair_at_all_is_an_error_with_its_reasons():
    frame = responses({"p": [("a", 1.0), ("a", 2.0)], "q": [("a", 1.0), ("b", 1.0)], "r": []})
    pairs, dropped = paired(frame)
    with pytest.raises(InputError, match=r"(?s)no prompt has a pair.*1 prompts equal_.*1 prompts"):
        require_pairs(pairs, dropped)
    with pytest.raises(InputError, match="no prompt with responses"):
        require_pairs(pairs, dropped.clear())
    require_pairs(*paired(responses({"p": [("a", 1.0), ("b", 2.0)]})))
