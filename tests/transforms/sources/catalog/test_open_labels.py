import json

import pytest

from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.demonstrations import split_demonstrations


def reasons_of_demonstrations(raw, name):
    rows = CATALOGUE[name].layouts["demonstrations"](raw, SourceOptions())
    kept, dropped = split_demonstrations(name, rows)
    assert sorted([*kept["row_key"], *dropped["row_key"]]) == sorted(raw["row_key"])
    return kept["row_key"].to_list(), dict(dropped.select("row_key", "reason").rows())


def upper(history, label=1, a="a", b="b"):
    return {
        "post_id": "p",
        "history": history,
        "human_ref_A": a,
        "human_ref_B": b,
        "labels": label,
    }


def test_hh_in_shp_columns(judge):
    rows = [
        upper("HUMAN: a HUMAN: is\n\nASSISTANT: hi\n\nHUMAN: q"),
        upper("HUMAN: q", label=0),
        upper("HUMAN: q", label=2),
        upper("HUMAN: q", label=None),
        upper("HUMAN: q", a="b"),
        upper("HUMAN: q", b=" "),
        upper("HUMAN: q\n\nASSISTANT: hi"),
        upper("no marker"),
        upper(None),
    ]
    found = judge("hh_in_shp_columns", rows)
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a")}
    assert [turn["content"] for turn in found.kept["prompt"][0]] == ["a HUMAN: is", "hi", "q"]
    assert found.reasons() == {
        "2": "no_label",
        "3": "no_label",
        "4": "identical_response",
        "5": "empty_turn",
        "6": "odd_turns",
        "7": "role_order",
        "8": "missing_value",
    }


def said(question, answer):
    return f"## Human:\n{question}\n\n## Assistant:\n{answer}"


def test_webgpt_prefers_the_higher_score(judge):
    both = [said("q", "a"), said("q", "b")]
    rows = [
        {"text": both, "score": [0.5, -0.5]},
        {"text": both, "score": [0.0, 1.0]},
        {"text": both, "score": [0.0, 0.0]},
        {"text": both, "score": [0.0]},
        {"text": both, "score": [None, 1.0]},
        {"text": [*both, said("q", "c")], "score": [0.0, 1.0, 2.0]},
        {"text": [said("q", "a"), said("p", "b")], "score": [1.0, 0.0]},
        {"text": [said("q", ""), said("q", "b")], "score": [1.0, 0.0]},
        {"text": ["q", "a"], "score": [1.0, 0.0]},
        {},
    ]
    found = judge("webgpt_lists", rows)
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a")}
    assert found.kept["margin"].to_list() == [1.0, 1.0]
    assert found.reasons() == {
        "2": "tie",
        "3": "no_label",
        "4": "no_label",
        "5": "no_label",
        "6": "prefix_mismatch",
        "7": "empty_turn",
        "8": "odd_turns",
        "9": "no_label",
    }


def safety(prompt, response, is_safe):
    return {"prompt": prompt, "response": response, "is_safe": is_safe}


def test_beavertails_compares_safe_with_unsafe(judge, native):
    rows = [
        safety("q", "bad", 0),
        safety("q", "good", 1),
        safety("q", "worse", 0),
        safety("alone", "x", 1),
        safety("odd", "x", 1),
        safety("odd", "y", None),
        safety(None, "x", 1),
    ]
    found = judge("beavertails_rows", rows)
    assert found.pairs() == {"1|0": ("good", "bad"), "1|2": ("good", "worse")}
    assert found.reasons() == {
        "0|2": "tie",
        "3": "no_comparison",
        "5|4": "missing_score",
        "6": "no_comparison",
    }
    kept, reasons = reasons_of_demonstrations(native("beavertails_rows", rows), "beavertails_rows")
    assert kept == ["1", "3", "4"]
    assert reasons == {
        "0": "undesirable",
        "2": "undesirable",
        "5": "no_label",
        "6": "missing_value",
    }


def test_kto_keeps_the_desirable(native):
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [
        {"messages": talk, "label": True},
        {"messages": talk, "label": False},
        {"messages": talk},
        {"messages": talk[:1], "label": True},
        {"label": True},
    ]
    kept, reasons = reasons_of_demonstrations(native("kto_messages", rows), "kto_messages")
    assert kept == ["0"]
    assert reasons == {
        "1": "undesirable",
        "2": "no_label",
        "3": "role_order",
        "4": "missing_value",
    }


def vote(prompt, a, b, marks=(1, 0, 0)):
    lists = {"prompt": prompt, "response_a": a, "response_b": b}
    return {
        **{
            name: text if isinstance(text, str) else json.dumps(text)
            for name, text in lists.items()
        },
        **dict(zip(("winner_model_a", "winner_model_b", "winner_tie"), marks, strict=True)),
    }


def test_arena_reads_json_lists_and_votes(judge):
    rows = [
        vote(["q"], ["a"], ["b"]),
        vote(["q"], ["a"], ["b"], (0, 1, 0)),
        vote(["q"], ["a"], ["b"], (0, 0, 1)),
        vote(["q"], ["a"], ["b"], (1, 0, 1)),
        vote(["q"], ["a"], ["b"], (0, 0, 0)),
        vote(["q", "r"], ["a", "c"], ["a", "d"]),
        vote(["q", "r"], ["a", "c"], ["b", "d"]),
        vote(["q"], [None], ["b"]),
        vote(["q", "r"], ["a"], ["b", "d"]),
        vote('["q"', ["a"], ["b"]),
        vote('["\\ud83d"]', ["a"], ["b"]),
        vote([1], ["a"], ["b"]),
        vote(["q\u2028\U0001f600"], ['"a"'], ["b"]),
        {"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0},
    ]
    found = judge("lmsys_arena", rows)
    assert found.pairs() == {
        "0": ("a", "b"),
        "1": ("b", "a"),
        "5": ("c", "d"),
        "12": ('"a"', "b"),
    }
    assert found.reasons() == {
        "2": "tie",
        "3": "no_label",
        "4": "no_label",
        "6": "prefix_mismatch",
        "7": "empty_turn",
        "8": "empty_turn",
        "9": "missing_value",
        "10": "missing_value",
        "11": "missing_value",
        "13": "missing_value",
    }
    assert "2" in judge("lmsys_arena", rows, drop_ties=False).pairs()


@pytest.mark.parametrize(
    ("name", "columns", "labels"),
    [
        ("llmbar", ("input", "output_1", "output_2"), (1, 2, 3, None)),
        ("judgebench", ("question", "response_A", "response_B"), ("A>B", "B>A", "A=B", None)),
    ],
)
def test_gold_labels(judge, name, columns, labels):
    rows = [dict(zip(columns, ("q", "a", "b"), strict=True)) | {"label": x} for x in labels]
    found = judge(name, rows)
    assert found.pairs() == {"0": ("a", "b"), "1": ("b", "a")}
    assert found.reasons() == {"2": "no_label", "3": "no_label"}


def test_pandalm_takes_the_majority(judge):
    votes = [(1, 1, 2), (2, 0, 2), (1, 2, 2), (0, 0, 1), (0, 1, 2), (1, None, 1), (None, None, 1)]
    rows = [
        {"instruction": "Do.", "input": "x", "response1": "a", "response2": "b"}
        | {f"annotator{n}": vote for n, vote in enumerate(three, start=1)}
        for three in votes
    ]
    found = judge("pandalm", [*rows, rows[0] | {"response2": ""}, rows[0] | {"input": ""}])
    assert found.pairs() == {
        "0": ("a", "b"),
        "1": ("b", "a"),
        "2": ("b", "a"),
        "5": ("a", "b"),
        "8": ("a", "b"),
    }
    prompts = [prompt[0]["content"] for prompt in found.kept["prompt"].to_list()]
    assert (prompts[0], prompts[-1]) == ("Do.\n\nx", "Do.")
    assert found.reasons() == {"3": "tie", "4": "no_label", "6": "no_label", "7": "empty_turn"}
