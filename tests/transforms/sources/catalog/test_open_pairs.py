import polars as pl
import pytest

from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.demonstrations import split_demonstrations


def scored(chosen, rejected, texts=("a", "b"), prompt="q"):
    return {
        "prompt": prompt,
        "chosen": texts[0],
        "rejected": texts[1],
        "score_chosen": chosen,
        "score_rejected": rejected,
    }


SCORED = [
    scored(8.0, 7.5),
    scored(-0.2, -0.9, prompt="ü\u2028!"),
    scored(7.0, 7.0),
    scored(1.0, 8.0),
    scored(None, 8.0),
    scored(None, None),
    scored(2.0, 1.0, texts=("a", "a")),
    scored(2.0, 1.0, texts=("a", "\n")),
    scored(2.0, 1.0, prompt=None),
    scored(2.0, 1.0, texts=("a" * 100_000, "b")),
]
REASONS = {
    "2": "tie",
    "3": "label_conflict",
    "4": "missing_score",
    "6": "identical_response",
    "7": "empty_turn",
    "8": "missing_value",
}


def in_metadata(row):
    return row | {
        "source_index": 7,
        "metadata": {name: row[name] for name in ("score_chosen", "score_rejected")},
    }


def test_scored_pairs(judge):
    found = judge("scored_pairs", SCORED)
    assert found.reasons() == REASONS
    assert list(found.pairs()) == ["0", "1", "5", "9"]
    assert found.kept["margin"].to_list() == pytest.approx([0.5, 0.7, None, 1.0])
    assert judge("scored_pairs", SCORED, min_margin=0.6).reasons()["0"] == "small_margin"


def test_scores_in_metadata_are_the_same(judge):
    rows = [
        {name: value for name, value in in_metadata(row).items() if not name.startswith("score")}
        for row in SCORED
    ]
    found = judge("metadata_scored_pairs", [*rows, rows[0] | {"metadata": None}])
    assert found.reasons() == REASONS
    assert list(found.pairs()) == ["0", "1", "5", "9", "10"]


def test_an_empty_system_text_is_no_turn(judge):
    def orca(system):
        return {"system": system, "question": "q", "chosen": "a", "rejected": "b"}

    rows = [orca("Be brief."), orca(""), orca(" "), orca(None), {}]
    found = judge("intel_orca", rows)
    assert list(found.pairs()) == ["1", "2", "3"]
    assert found.reasons() == {"0": "odd_turns", "4": "missing_value"}
    folded = judge("intel_orca", rows, system_turn="fold").kept
    assert folded["prompt"][0].to_list() == [{"role": "user", "content": "Be brief.\n\nq"}]


def test_stack_exchange_prefers_response_j(judge):
    rows = [
        {"question": "q", "response_j": "a", "response_k": "b"},
        {"question": "q", "response_j": "a"},
        {"question": " ", "response_j": "a", "response_k": "b"},
    ]
    found = judge("stack_exchange_paired", rows)
    assert found.pairs() == {"0": ("a", "b")}
    assert found.reasons() == {"1": "missing_value", "2": "empty_turn"}


def speech(*speakers):
    return [{"from": speaker, "value": f"{n}{speaker}"} for n, speaker in enumerate(speakers)]


def shared(turns, chosen=("gpt", "a"), rejected=("gpt", "b")):
    sides = {"chosen": chosen, "rejected": rejected}
    return {
        "conversations": speech(*turns),
        **{name: dict(zip(("from", "value"), side, strict=True)) for name, side in sides.items()},
    }


def test_shared_turns_and_a_last_one_each(judge):
    rows = [
        shared(["human"]),
        shared(["human", "gpt", "human"]),
        shared(["system", "human"]),
        shared(["human", "gpt"]),
        shared(["human"], rejected=("human", "b")),
        shared([]),
        shared(["human"], chosen=("gpt", "")),
        shared(["human"]) | {"rejected": None},
        shared(["human"]) | {"conversations": None},
    ]
    found = judge("sharegpt_pairs", rows)
    assert found.pairs() == {"0": ("a", "b"), "1": ("a", "b")}
    assert found.reasons() == {
        "2": "odd_turns",
        "3": "odd_turns",
        "4": "role_order",
        "5": "odd_turns",
        "6": "empty_turn",
        "7": "role_order",
        "8": "missing_value",
    }
    assert list(judge("sharegpt_pairs", rows, system_turn="fold").pairs()) == ["0", "1", "2"]


def parted(*turns):
    roles = ("user", "assistant")
    return [
        {
            "role": role,
            "content": [{"type": kind, "value": value} for kind, value in turn],
        }
        for role, turn in zip(roles, turns, strict=True)
    ]


def test_typed_parts_are_joined_and_others_than_text_refused(judge):
    answer, other = [("text", "a"), ("text", "!")], [("text", "b")]
    image = [("image", "x.png"), ("text", "q")]
    question = [("text", "q")]
    rows = [
        {"chosen_messages": parted(question, answer), "rejected_messages": parted(question, other)},
        {"chosen_messages": parted(image, answer), "rejected_messages": parted(image, other)},
        {"chosen_messages": parted(question, []), "rejected_messages": parted(question, other)},
        {"chosen_messages": parted(question, answer)},
    ]
    found = judge("typed_part_pairs", rows)
    assert found.pairs() == {"0": ("a!", "b")}
    assert found.reasons() == {"1": "not_text", "2": "empty_turn", "3": "missing_value"}


def test_preferred_sides_are_demonstrations(native):
    raw = native("typed_part_pairs", [{"chosen_messages": parted([("audio", "q")], [])}])
    rows = CATALOGUE["typed_part_pairs"].layouts["demonstrations"](raw, SourceOptions())
    _, dropped = split_demonstrations("s", rows)
    assert dropped["reason"].to_list() == ["not_text"]
    raw = native("scored_pairs", SCORED)
    rows = CATALOGUE["scored_pairs"].layouts["demonstrations"](raw, SourceOptions())
    kept, dropped = split_demonstrations("s", rows)
    assert kept.height == 9
    assert dropped.select("row_key", "reason").rows() == [("8", "missing_value")]
    assert isinstance(kept.schema["messages"], pl.List)
