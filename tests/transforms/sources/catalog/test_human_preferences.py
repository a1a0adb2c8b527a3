import polars as pl
import pytest
from pydantic import ValidationError

from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.preferences import limit_pairs

LONG = "x" * 100_000


def transcript(*turns):
    markers = ("\n\nHuman: ", "\n\nAssistant: ")
    return "".join(markers[n % 2] + turn for n, turn in enumerate(turns))


def hh(chosen, rejected):
    return {"chosen": chosen, "rejected": rejected}


def test_hh_keeps_sound_transcripts_and_names_what_is_wrong_with_others(judge):
    sound = [
        hh(transcript("q", "a"), transcript("q", "b")),
        hh(transcript("q\u2028é🙂", "a"), transcript("q\u2028é🙂", "b")),
        hh(transcript("q", LONG), transcript("q", "b")),
        hh(transcript("q", "a", "r", "b"), transcript("q", "a", "r", "c")),
    ]
    awkward = [
        hh(transcript("q", "a", "more"), transcript("q", "b", "more")),  # trailing human turn
        hh(transcript("q", "", "r", "a"), transcript("q", "", "r", "b")),  # empty round
        hh("Be kind." + transcript("q", "a"), "Be kind." + transcript("q", "b")),  # system turn
        hh(transcript("q", "a"), transcript("q", "a")),
        hh(transcript("q", "a"), transcript("p", "b")),
        hh(transcript("q", "a"), transcript("q", "a", "r", "b")),
        hh("\n\nHuman: q\n\nHuman: p", "\n\nHuman: q\n\nHuman: o"),
        hh("", ""),
        hh(None, transcript("q", "b")),
        hh(None, None),
    ]
    found = judge("hh_rlhf", sound + awkward)
    assert list(found.pairs()) == ["0", "1", "2", "3"]
    assert found.pairs()["2"] == (LONG, "b")
    assert found.kept["prompt"][1].to_list() == [{"role": "user", "content": "q\u2028é🙂"}]
    assert found.reasons() == {
        "4": "odd_turns",
        "5": "empty_turn",
        "6": "odd_turns",
        "7": "identical_response",
        "8": "prefix_mismatch",
        "9": "turn_mismatch",
        "10": "role_order",
        "11": "role_order",
        "12": "missing_value",
        "13": "missing_value",
    }


def test_hh_system_turns_are_folded_or_removed_where_an_option_says_so(judge):
    rows = [hh("Be kind." + transcript("q", "a"), "Be kind." + transcript("q", "b"))]
    for fate, text in [("fold", "Be kind.\n\nq"), ("remove", "q")]:
        prompt = judge("hh_rlhf", rows, system_turn=fate).kept["prompt"].to_list()
        assert prompt == [[{"role": "user", "content": text}]]


def post(labels=1, votes=(10, 2), ratio=5.0, history="q", texts=("a", "b")):
    return {
        "history": history,
        "human_ref_A": texts[0],
        "human_ref_B": texts[1],
        "labels": labels,
        "score_A": votes[0],
        "score_B": votes[1],
        "score_ratio": ratio,
    }


def test_shp_keeps_what_more_than_twice_as_many_voted_for(judge):
    found = judge(
        "shp",
        [
            post(),
            post(labels=0, votes=(2, 10)),
            post(ratio=2.0),
            post(ratio=2.000001),
            post(ratio=None),
            post(ratio=float("nan")),
            post(labels=0),  # fewer votes for the label
            post(labels=2),
            post(labels=None),
            post(votes=(None, 2)),
            post(texts=("a", "a")),
            post(texts=("a", " \n")),
            post(history=None),
            {},
        ],
    )
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a"), "3": ("a", "b")}
    assert found.kept["margin"].to_list() == [8.0, 8.0, 8.0]
    assert found.reasons() == {
        "2": "score_ratio",
        "4": "score_ratio",
        "5": "score_ratio",
        "6": "label_conflict",
        "7": "no_label",
        "8": "no_label",
        "9": "missing_score",
        "10": "identical_response",
        "11": "empty_turn",
        "12": "missing_value",
        "13": "no_label",
    }
    evidence = dict(found.dropped.select("row_key", "evidence").rows())
    assert evidence["2"] == "score ratio 2.0, not above 2.0"
    assert evidence["4"] == "score ratio none, not above 2.0"


def test_shp_takes_five_pairs_of_a_prompt_by_seed(judge):
    rows = [post(texts=("a", f"b{n}")) for n in range(8)] + [post(history="p")]
    kept = judge("shp", rows).kept
    shp = CATALOGUE["shp"].options
    drawn = {}
    for seed in (0, 1):
        taken, over = limit_pairs(kept, shp(seed=seed))
        assert taken.group_by("prompt_id").len().sort("len")["len"].to_list() == [1, 5]
        assert over["reason"].to_list() == ["prompt_limit"] * 3
        assert sorted([*taken["row_key"], *over["row_key"]]) == sorted(kept["row_key"])
        again, _ = limit_pairs(kept.reverse(), shp(seed=seed))
        assert set(again["row_key"]) == set(taken["row_key"])
        drawn[seed] = set(taken["row_key"])
    assert drawn[0] != drawn[1]


def rated(prompt, response, *attributes):
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    return {"prompt": prompt, "response": response, **dict(zip(names, attributes, strict=False))}


def test_helpsteer_compares_the_rows_of_a_prompt(judge):
    rows = [
        rated("q", "a", 4, 2, 4, 4, 0),
        rated("alone", "a", 4, 4, 4, 4, 4),
        rated("q", "b", 3, 3, 4, 4, 4),
        rated("q", "c", 1, 2, 4, 4, 4),
        rated("q", "d", None, 3, 4, 4, 4),
        rated(None, "e", 4, 4, 4, 4, 4),
        rated("p", None, 4, 4, 4, 4, 4),
        rated("p", "f", 3, 3, 3, 3, 3),
    ]
    found = judge("helpsteer", rows)
    assert found.pairs() == {"0|3": ("a", "c"), "2|3": ("b", "c")}
    assert found.kept["margin"].to_list() == [1.5, 1.5]
    assert found.reasons() == {
        "0|2": "tie",
        "4|0": "missing_score",
        "4|2": "missing_score",
        "4|3": "missing_score",
        "1": "no_comparison",
        "5": "no_comparison",
        "6|7": "missing_value",
    }


def test_helpsteer_scores_by_the_attributes_that_an_option_names(judge):
    rows = [rated("q", "a", 4, 2, 4, 4, 0), rated("q", "b", 3, 3, 4, 4, 4)]
    finer = judge("helpsteer", rows, score_attributes=("helpfulness", "verbosity"))
    assert finer.pairs() == {"1|0": ("b", "a")}
    assert finer.kept["chosen_score"].to_list() == [3.5]
    assert set(judge("helpsteer", rows, drop_ties=False).pairs()) == {"0|1"}
    for wrong in ((), ("kindness",)):
        with pytest.raises(ValidationError, match="score_attributes"):
            CATALOGUE["helpsteer"].options(score_attributes=wrong)


def safe(safer, better, prompt="q", texts=("a", "b")):
    ids = {"safer_response_id": safer, "better_response_id": better}
    return {"prompt": prompt, "response_0": texts[0], "response_1": texts[1], **ids}


def test_pku_prefers_by_one_of_its_two_labels(judge):
    rows = [
        safe(0, 0),
        safe(1, 0),
        safe(None, 0),
        safe(1, None),
        safe(2, -1),
        safe(0, 0, prompt=None),
        safe(0, 0, texts=("a", "")),
    ]
    found = judge("pku_saferlhf_30k", rows)
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a"), "3": ("b", "a")}
    assert found.kept["margin"].null_count() == 3
    assert found.reasons() == {
        "2": "no_label",
        "4": "no_label",
        "5": "missing_value",
        "6": "empty_turn",
    }
    better = judge("pku_saferlhf_30k", rows, label="better")
    assert better.pairs() == {"0": ("a", "b"), "1": ("a", "b"), "2": ("a", "b")}


def test_pku_drops_disputed_labels_where_an_option_says_so(judge):
    found = judge("pku_saferlhf_30k", [safe(0, 0), safe(1, 0), safe(1, None)], drop_disputed=True)
    assert set(found.pairs()) == {"0", "2"}
    assert found.dropped.select("row_key", "reason", "evidence").rows() == [
        ("1", "disputed_label", "response 1 is safer, response 0 is better")
    ]


def summary(choice, texts=(" a", " b"), **info):
    known = {"subreddit": "tifu", "title": "t", "post": "p"} | info
    return {"choice": choice, "summaries": [{"text": text} for text in texts], "info": known}


def test_summaries_answer_a_post(judge):
    found = judge(
        "summarize_comparisons",
        [
            summary(0),
            summary(1),
            summary(2),
            summary(-1),
            summary(None),
            summary(0, post=None),
            summary(0, texts=(" a",)),
            summary(0, texts=()),
            summary(0, texts=(" a", "a ")),
            {"choice": 0, "info": None, "summaries": None},
        ],
    )
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a")}
    text = "SUBREDDIT: r/tifu\n\nTITLE: t\n\nPOST: p\n\nTL;DR:"
    assert found.kept["prompt"].to_list() == [[{"role": "user", "content": text}]] * 2
    assert found.reasons() == {
        "2": "no_label",
        "3": "no_label",
        "4": "no_label",
        "5": "missing_value",
        "6": "missing_value",
        "7": "missing_value",
        "8": "identical_response",
        "9": "missing_value",
    }


def test_helpsteer_gives_each_row_s_prompt(native):
    entry = CATALOGUE["helpsteer"]
    rows = native("helpsteer", [rated("q", "a"), rated(None, "b")])
    prompts = entry.layouts["prompts"](rows, entry.options())
    assert prompts["prompt"].to_list() == [[{"role": "user", "content": "q"}], None]
    assert prompts["row_key"].to_list() == ["0", "1"]
    assert prompts.schema["verdict"] == pl.String
