import pytest
from pydantic import ValidationError

from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.sources.catalog import CATALOGUE


def maths(scores, texts=("a", "b"), instruction="1 + 1?"):
    return {
        "instruction": instruction,
        "chosen_response": texts[0],
        "rejected_response": texts[1],
        "chosen_rating": scores[0],
        "rejected_rating": scores[1],
    }


def test_argilla_math_keeps_ties(judge):
    rows = [
        maths((9.0, 4.0)),
        maths((5.0, 5.0)),
        maths((None, None)),
        maths((4.0, 9.0)),
        maths((4.0, None)),
        maths((9.0, 4.0), texts=("a", "a")),
        maths((9.0, 4.0), texts=("a", None)),
        maths((9.0, 4.0), instruction=""),
        {},
    ]
    found = judge("argilla_math", rows)
    assert list(found.pairs()) == ["0", "1", "2"]
    assert found.kept["margin"].to_list() == [5.0, 0.0, None]
    assert found.reasons() == {
        "3": "label_conflict",
        "4": "missing_score",
        "5": "identical_response",
        "6": "missing_value",
        "7": "empty_turn",
        "8": "missing_value",
    }
    assert judge("argilla_math", rows, drop_ties=True).reasons()["1"] == "tie"


def orca(status="unchanged", rating=(9.0, 4.0), system="Be brief.", **others):
    row = {
        "system": system,
        "input": "q",
        "chosen": "a",
        "rejected": "b",
        "rating": rating,
        "status": status,
        "chosen_score": max(rating) if rating else None,
        "in_gsm8k_train": False,
    }
    return row | others


ORCA = [
    orca(),
    orca("swapped", rating=(4.0, 9.0), system=""),
    orca("tie", rating=(9.0, 9.0)),
    orca("tie", rating=None),
    orca("unchanged", rating=(9.0, 9.0)),
    orca(chosen_score=3.0),
    orca(system=None),
    orca(input=None),
    orca(rejected="a"),
    orca(rating=(5.0, 1.0)),
    orca(in_gsm8k_train=True),
    orca(rating=None),
    {},
]


def test_orca_drops_ties_and_folds_the_system_prompt(judge):
    found = judge("orca_pairs", ORCA)
    texts = [prompt[0]["content"] for prompt in found.kept["prompt"].to_list()]
    assert dict(zip(found.pairs(), texts, strict=True)) == {
        "0": "Be brief.\n\nq",
        "1": "q",
        "6": "q",
        "9": "Be brief.\n\nq",
        "10": "Be brief.\n\nq",
        "11": "Be brief.\n\nq",
    }
    assert found.kept["margin"].to_list() == [5.0, 5.0, 5.0, 4.0, 5.0, None]
    assert found.reasons() == {
        "2": "tie",
        "3": "tie",
        "4": "tie",
        "5": "label_conflict",
        "7": "missing_value",
        "8": "identical_response",
        "12": "missing_value",
    }
    evidence = dict(found.dropped.select("row_key", "evidence").rows())
    assert evidence["2"] == "status tie"
    assert evidence["4"] == "chosen 9.0, rejected 9.0"


def test_orca_choices(judge):
    assert judge("orca_pairs", ORCA[:1], system_turn="drop").reasons() == {"0": "odd_turns"}
    bare = judge("orca_pairs", ORCA[:1], system_turn="remove").kept["prompt"].to_list()
    assert bare == [[{"role": "user", "content": "q"}]]
    advised = judge("orca_pairs", ORCA, min_chosen_score=9, drop_gsm8k_train=True)
    assert set(advised.pairs()) == {"0", "1", "6"}
    assert {key: advised.reasons()[key] for key in ("9", "10", "11")} == {
        "9": "low_score",
        "10": "gsm8k_train",
        "11": "low_score",
    }
    assert {"2", "3", "4"} <= set(judge("orca_pairs", ORCA, drop_ties=False).pairs())
    with pytest.raises(ValidationError, match="system_turn"):
        CATALOGUE["orca_pairs"].options(system_turn="keep")


def test_orca_prompts_are_folded_too(native):
    entry = CATALOGUE["orca_pairs"]
    options = entry.options()
    rows = entry.layouts["prompts"](native("orca_pairs", ORCA[:2]), options)
    kept, dropped = split_prompt_rows("orca_pairs", rows, options)
    assert [prompt[0]["content"] for prompt in kept["prompt"].to_list()] == ["Be brief.\n\nq", "q"]
    assert dropped.is_empty()


def talk(*turns, roles=("user", "assistant") * 3):
    return [{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)]


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ("capybara", ("chosen_rating", "rejected_rating")),
        ("capybara_7k", ("rating_chosen", "rating_rejected")),
    ],
)
def test_capybara_reads_dialogues_and_margins(judge, entry, names):
    def row(chosen, rejected, *ratings):
        scores = dict(zip(names, ratings or (5, 2), strict=True))
        return {"chosen": chosen, "rejected": rejected, **scores}

    rows = [
        row(talk("q", "a", "r", "b"), talk("q", "a", "r", "c")),
        row(talk("q", "a"), talk("q", "b"), 4, 4),
        row(talk("q", "a"), talk("q", "b"), 2, 5),
        row(talk("q", "a"), talk("q", "b"), None, None),
        row(talk("q", "a"), talk("q", "b"), 5, None),
        row(talk("q", "a", "r"), talk("q", "b", "r")),
        row(talk("q", "", "r", "b"), talk("q", "", "r", "c")),
        row(talk("q", None, "r", "b"), talk("q", None, "r", "c")),
        row(talk("q", "a", "r", "b"), talk("q", "z", "r", "c")),
        row(
            talk("s", "q", "a", roles=("system", "user", "assistant")),
            talk("s", "q", "b", roles=("system", "user", "assistant")),
        ),
        row([], []),
        row([None, None], [None, None]),
        {},
    ]
    found = judge(entry, rows)
    ties_stay = {"capybara": ["0", "1", "3"], "capybara_7k": ["0", "3"]}[entry]
    assert list(found.pairs()) == ties_stay
    assert found.kept["margin"][0] == 3.0
    assert found.reasons() == ({} if entry == "capybara" else {"1": "tie"}) | {
        "2": "label_conflict",
        "4": "missing_score",
        "5": "odd_turns",
        "6": "empty_turn",
        "7": "empty_turn",
        "8": "prefix_mismatch",
        "9": "odd_turns",
        "10": "role_order",
        "11": "role_order",
        "12": "missing_value",
    }
