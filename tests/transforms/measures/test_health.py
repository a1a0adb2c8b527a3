import random

import polars as pl
import pytest

from training.settings.health import HealthSettings
from transforms.lake.schemas import schema_of
from transforms.measures.health.statistics import find_other_rewards, measure
from transforms.measures.health.watched import EVALUATED, WATCHED, find_concerns, find_farthest
from transforms.views.plots.health import TITLES, render_health

KEY = {"experiment": "e", "iteration": 1}


def table(name, rows):
    return pl.DataFrame([KEY | row for row in rows], schema=schema_of(name))


def turn(text):
    return [{"role": "assistant", "content": text}]


def slice_of(texts, rewards, experiment="e", ranker="reward_model", cut=()):
    """Generations and scores of texts and rewards, both by prompt."""
    generations, scores = [], []
    for prompt, responses in texts.items():
        for n, (text, reward) in enumerate(zip(responses, rewards[prompt], strict=True)):
            key = {"experiment": experiment, "prompt_id": prompt, "response_index": n}
            generations.append(
                key
                | {"response": text, "response_chars": len(text), "response_tokens": len(text),
                   "finish_reason": "length" if text in cut else "stop"}
            )  # fmt: skip
            scores.append(
                key | {"ranker": ranker, "ranker_id": ranker, "ranking_id": "r", "reward": reward}
            )
    return table("generations", generations), table("scores", scores)


TEXTS = {"p": ["aaaa bb cc dd", "b", "same"], "q": ["same", "I cannot do that", "cc"]}
REWARDS = {"p": [3.0, 1.0, 2.0], "q": [1.0, 0.0, 2.0]}
PAIRS = [
    {"prompt_id": "p", "chosen": turn("aaaa bb cc dd"), "rejected": turn("b")},
    {"prompt_id": "q", "chosen": turn("cc"), "rejected": turn("I cannot do that")},
]


FIRST = pl.DataFrame({"prompt_id": ["u", "v"], "response_chars": [4, 2]})


NO_PARTS = pl.DataFrame(schema=schema_of("score_components"))
NO_RESULTS = pl.DataFrame(schema=schema_of("evaluation_results"))


def measured(
    texts=TEXTS, rewards=REWARDS, pairs=PAIRS, others=None, iteration=1, components=NO_PARTS,
    accuracies=NO_RESULTS, **options,
):  # fmt: skip
    generations, scores = slice_of(texts, rewards, **options)
    generations = generations.with_columns(iteration=pl.lit(iteration, dtype=pl.Int32))
    nobody = find_other_rewards(generations.lazy(), scores.lazy(), "e")
    opinions = nobody if others is None else others
    frame = measure(
        generations, scores, table("dpo_pairs", pairs), opinions, FIRST, components, accuracies
    )
    assert frame.columns == list(schema_of("iteration_health"))
    return frame.row(0, named=True)


def test_figures_of_a_slice():
    row = measured(cut=("b",))
    assert (row["experiment"], row["iteration"], row["ranker"]) == ("e", 1, "reward_model")
    assert (row["prompts"], row["responses"], row["pairs"]) == (2, 6, 2)
    # p: 13, 1, 4 characters; q: 4, 16, 2
    assert row["response_chars"] == pytest.approx((18 / 3 + 22 / 3) / 2)
    assert row["response_chars_se"] == pytest.approx((22 / 3 - 6) / 2)
    assert row["chosen_minus_rejected_chars"] == pytest.approx((12 - 14) / 2)
    assert row["chosen_to_rejected_chars"] == pytest.approx(15 / 17)
    assert row["longer_chosen_share"] == 0.5
    assert row["repeated_4gram_share"] == 0.0
    assert row["duplicate_share"] == pytest.approx(2 / 6)
    assert row["truncated_share"] == pytest.approx(1 / 6)
    assert row["truncated_share_se"] == pytest.approx(1 / 6)
    assert row["refusal_share"] == pytest.approx(1 / 6)
    assert row["reward_length_slope"] < 0
    assert -1 < row["reward_length_correlation"] < 1
    assert (row["other_ranker"], row["ranker_agreement"]) == (None, None)


def test_responses_are_compared_with_those_of_the_first_iteration():
    assert measured()["length_growth"] is None
    row = measured(iteration=2)
    now, then = (18 / 3 + 22 / 3) / 2, 3
    assert row["length_growth"] == pytest.approx(now / then)
    # the standard errors of the two means: half the difference of the two prompts' means
    relative = (((22 / 3 - 6) / 2 / now) ** 2 + (1 / then) ** 2) ** 0.5
    assert row["length_growth_se"] == pytest.approx(now / then * relative)
    bounds = HealthSettings().model_dump()
    assert "responses_do_not_grow" in find_concerns(row, bounds)
    assert "responses_do_not_grow" not in find_concerns(row | {"length_growth": 1.4}, bounds)


def test_a_reward_that_is_length_correlates_by_one():
    lengths = {prompt: [float(len(text)) for text in texts] for prompt, texts in TEXTS.items()}
    row = measured(rewards=lengths)
    assert row["reward_length_correlation"] == pytest.approx(1.0)
    assert row["reward_length_correlation_se"] == pytest.approx(0.0)
    assert row["reward_length_slope"] == pytest.approx(1.0)


def test_a_slice_without_pairs_or_rewards_has_nulls():
    nothing = {prompt: [None] * 3 for prompt in TEXTS}
    row = measured(rewards=nothing, pairs=[])
    assert row["responses"] == 6
    undetermined = {name for name, value in row.items() if value is None}
    assert {
        "reward_length_slope", "reward_length_correlation", "longer_chosen_share",
        "chosen_to_rejected_chars",
    } < undetermined  # fmt: skip
    assert not {"truncated_share", "response_chars"} & undetermined


def both(theirs, texts=TEXTS, ranker="judge"):
    """Two slices of an iteration: e's, and f's under another ranker."""
    mine, others = slice_of(TEXTS, REWARDS), slice_of(texts, theirs, "f", ranker)
    return [pl.concat(frames).lazy() for frames in zip(mine, others, strict=True)]


def test_another_ranker_agrees_on_the_order_of_two_responses():
    # p: the same order; q: 1, 0, 2 against 1, 1, 0: a tie, then the other way round twice
    opinions = find_other_rewards(*both({"p": [9.0, 7.0, 8.0], "q": [1.0, 1.0, 0.0]}), "e")
    assert opinions.columns == [
        "prompt_id", "response_index", "other_experiment", "other_ranker", "other_reward",
    ]  # fmt: skip
    row = measured(others=opinions)
    assert row["other_ranker"] == "judge"
    assert row["ranker_agreement"] == pytest.approx((1 + 0.5 / 3) / 2)
    assert row["ranker_agreement_se"] == pytest.approx((1 - 0.5 / 3) / 2)


def test_the_same_ranker_and_other_responses_are_no_second_opinion():
    assert find_other_rewards(*both(REWARDS, ranker="reward_model"), "e").is_empty()
    moved = {prompt: [f"{text}!" for text in texts] for prompt, texts in TEXTS.items()}
    assert find_other_rewards(*both(REWARDS, texts=moved), "e").is_empty()


def test_of_several_rankers_the_one_that_differs_most_counts():
    frames = [
        find_other_rewards(*both(rewards, ranker=ranker), "e").with_columns(
            other_experiment=pl.lit(ranker)
        )
        for ranker, rewards in (
            ("agrees", REWARDS),
            ("differs", {prompt: [-one for one in many] for prompt, many in REWARDS.items()}),
        )
    ]
    row = measured(others=pl.concat(frames))
    assert (row["other_ranker"], row["ranker_agreement"]) == ("differs", 0.0)


def members(**rewards):
    """Components of an ensemble: rewards of each member by prompt, and their spread."""
    by_member = {**rewards, "spread": REWARDS}
    return table(
        "score_components",
        [
            {"prompt_id": prompt, "response_index": n, "component": name, "reward": reward}
            for name, prompts in by_member.items()
            for prompt, responses in prompts.items()
            for n, reward in enumerate(responses)
        ],
    )


def test_members_agree_on_the_order_of_two_responses():
    flipped = {"p": REWARDS["p"][::-1], "q": REWARDS["q"]}
    row = measured(components=members(a=REWARDS, b=REWARDS, c=flipped))
    # p: c orders responses 0 and 1 (3 1 2, 2 1 3) as the others do, and the two other pairs not:
    # 1, 1/3 and 1 of the three pairs of members; 0 and 2, 3 > 2 against 2 < 3
    assert row["member_agreement"] == pytest.approx(((1 + 1 / 3 + 1) / 3 + 1) / 2)
    assert measured(components=members(a=REWARDS, b=REWARDS))["member_agreement"] == 1.0
    against = {prompt: [-one for one in many] for prompt, many in REWARDS.items()}
    assert measured(components=members(a=REWARDS, b=against))["member_agreement"] == 0.0


def test_equal_texts_are_no_agreement_of_members():
    texts = {"p": ["same", "same", "b"], "q": ["c", "d", "e"]}
    second = {"p": [3.0, 1.0, 0.0], "q": [-1.0, 0.0, 1.0]}
    row = measured(
        texts, components=members(a={"p": [2.0, 2.5, 1.0], "q": [9.0, 4.0, 1.0]}, b=second)
    )
    assert row["member_agreement"] == pytest.approx((1 + 0) / 2)  # p: same over b, twice


def test_parts_of_a_weighted_sum_are_no_members():
    parts = members(a=REWARDS, b=REWARDS).filter(pl.col("component") != "spread")
    assert measured(components=parts)["member_agreement"] is None
    assert "members_agree" not in find_concerns(measured(), HealthSettings().model_dump())


def accuracy(iteration, value, error=0.01):
    return {"iteration": iteration, "metric": "pair_accuracy", "value": value,
            "standard_error": error}  # fmt: skip


def test_a_refreshed_reward_model_is_compared_with_the_first_one():
    results = table("evaluation_results", [accuracy(2, 0.78), accuracy(0, 0.85)])
    row = measured(accuracies=results)
    assert row["reward_accuracy_drop"] == pytest.approx(0.07)
    assert row["reward_accuracy_drop_se"] == pytest.approx(0.01 * 2**0.5)
    concerns = find_concerns(row, HealthSettings().model_dump())
    assert (
        "reward_accuracy_drop 0.07 ± 0.014 is above 0.05"
        in (concerns["reward_model_does_not_forget"])
    )
    alone = measured(accuracies=results.filter(iteration=0))
    assert alone["reward_accuracy_drop"] is None


def test_the_farthest_policy_is_warned_of():
    rows = [
        {"iteration": t, "split": split, "metric": "kl_to_initial", "value": value,
         "standard_error": 0.5}
        for t, split, value in ((1, "evaluation", 4.0), (2, "evaluation", 12.0),
                                (2, "validation", 13.0))
    ]  # fmt: skip
    row = find_farthest(table("evaluation_results", rows))
    assert row == {"kl_to_initial": 12.0, "kl_to_initial_se": 0.5}
    bounds = HealthSettings().model_dump()
    assert find_concerns(row, bounds, EVALUATED) == {
        "policy_stays_near_initial": "kl_to_initial 12 ± 0.5 is above 10: "
        "the policy samples what the ranker was not trained on"
    }
    nothing = find_farthest(NO_RESULTS)
    assert find_concerns(nothing, bounds, EVALUATED) == {}


def test_concerns_are_of_figures_beyond_their_bound():
    bounds = HealthSettings().model_dump()
    row = dict.fromkeys(schema_of("iteration_health"))
    assert find_concerns(row, bounds) == {}
    row |= {"longer_chosen_share": 0.8, "longer_chosen_share_se": 0.02, "ranker_agreement": 0.5,
            "truncated_share": 0.1}  # fmt: skip
    assert find_concerns(row, bounds) == {
        "longer_are_not_chosen": "longer_chosen_share 0.8 ± 0.02 is above 0.7: "
        "the longer response is usually the chosen one",
        "rankers_agree": "ranker_agreement 0.5 is below 0.6: "
        "another ranker orders the same responses differently",
    }
    assert find_concerns(row, dict.fromkeys(bounds)) == {}


def test_every_bound_is_watched_and_every_watched_figure_has_a_bound_and_a_title():
    assert {one.setting for one in (*WATCHED, *EVALUATED)} == set(HealthSettings.model_fields)
    assert {one.metric for one in WATCHED} == set(TITLES)
    for one in WATCHED:
        assert {one.metric, f"{one.metric}_se"} < set(schema_of("iteration_health"))


def test_the_figure_is_drawn_from_one_row_or_many():
    rows = pl.DataFrame(
        [measured(), measured() | {"iteration": 2}, measured() | {"experiment": "f"}],
        schema=schema_of("iteration_health"),
    )
    for shown in (rows, rows.head(1)):
        assert render_health(shown, HealthSettings().model_dump()).startswith(b"\x89PNG")


def test_a_row_repeats_to_the_last_digit():
    draw = random.Random(0)
    texts = {f"p{n}": ["a" * draw.randrange(1, 99) for _ in range(3)] for n in range(300)}
    rewards = {prompt: [draw.gauss() for _ in range(3)] for prompt in texts}
    generations, scores = slice_of(texts, rewards)
    _, judged = slice_of(texts, {prompt: row[::-1] for prompt, row in rewards.items()})
    others = judged.select(
        "prompt_id", "response_index", other_experiment=pl.lit("f"), other_ranker=pl.lit("judge"),
        other_reward="reward",
    )  # fmt: skip
    parts = (
        generations, scores, table("dpo_pairs", PAIRS), others, generations, NO_PARTS, NO_RESULTS
    )  # fmt: skip
    rows = [measure(*parts) for _ in range(4)]
    assert all(row.equals(rows[0]) for row in rows)
