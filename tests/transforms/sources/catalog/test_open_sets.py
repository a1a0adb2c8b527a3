import pytest
from pydantic import ValidationError

from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.sources.catalog import CATALOGUE


def contents(messages):
    return [turn["content"] for turn in messages]


def test_oasst_reads_history_and_ranks(judge):
    def row(output, history=(), instruction="q"):
        return {
            "instruction": instruction,
            "input": "",
            "output": output,
            "history": [list(pair) for pair in history],
        }

    rows = [
        row(["a", "b", "b"], [("u", "v"), ("w", "x")]),
        row(["a"]),
        row(["a", "b"], [("u",)]),
        row(["a", "b"], instruction=None),
        {"instruction": "q", "output": ["a", "b"]},
    ]
    found = judge("oasst_ranked", rows)
    assert found.pairs() == {"0#0,1": ("a", "b"), "0#0,2": ("a", "b")}
    assert contents(found.kept["prompt"][0]) == ["u", "v", "w", "x", "q"]
    assert found.reasons() == {
        "0#1,2": "identical_response",
        "1": "no_comparison",
        "2#0,1": "empty_turn",
        "3#0,1": "missing_value",
        "4#0,1": "missing_value",
    }


def test_qa_feedback_labels_each_pair(judge):
    answers = {f"prediction {n}": text for n, text in enumerate("abcd", start=1)}
    row = {"question": "q", "passages": [["T", "one", "two"], ["U", "three"]], **answers}
    rows = [
        row | {"preference": [1, 2, 0, 2, 1, 1]},
        row | {"preference": [1, 2], "passages": []},
        row | {"preference": [1] * 6, "passages": [], "prediction 4": None},
    ]
    found = judge("qa_feedback", rows)
    assert list(found.pairs().values())[:5] == [
        ("a", "b"),
        ("c", "a"),
        ("c", "b"),
        ("b", "d"),
        ("c", "d"),
    ]
    assert contents(found.kept["prompt"][0]) == ["q\n\none two\n\nthree"]
    assert contents(found.kept["prompt"][-1]) == ["q"]
    assert found.reasons() == {
        "0#0,3": "tie",
        "1": "label_count",
        "2#0,3": "missing_value",
        "2#1,3": "missing_value",
        "2#2,3": "missing_value",
    }


MATHS = {
    "system": "",
    "query": "1 + 1?",
    "response": ["a", "b", "c"],
    "pred_score": [[0.1], [0.9], []],
    "score": [True, False, True],
}


def test_math_answers_by_either_judgement(judge):
    rows = [MATHS, MATHS | {"system": "Think."}, MATHS | {"pred_score": [[1.0]]}]
    found = judge("math_rewards", rows)
    assert found.pairs() == {"0#1,0": ("b", "a")}
    # a score that is none counts as the higher one until the rule drops the pair
    assert found.reasons() == {
        "0#2,0": "missing_score",
        "0#2,1": "missing_score",
        "1#1,0": "odd_turns",
        "1#2,0": "odd_turns",
        "1#2,1": "odd_turns",
        "2": "score_count",
    }
    right = judge("math_rewards", rows, score="correctness", system_turn="fold")
    assert list(right.pairs()) == ["0#0,1", "0#2,1", "1#0,1", "1#2,1", "2#0,1", "2#2,1"]
    assert set(right.reasons().values()) == {"tie"}
    with pytest.raises(ValidationError):
        judge("math_rewards", rows, score="length")


def test_unjudged_samples_are_in_no_pair(judge):
    row = {
        "instruction": "q",
        "responses": ["a", "b", "c"],
        "gpt4turbo_preference_vs_reference": [1.2, 1.9, None],
    }
    found = judge("tulu2_samples", [row])
    assert found.pairs() == {"0#1,0": ("b", "a")}
    assert set(found.reasons().values()) == {"missing_score"}
    assert judge("tulu2_samples", [row], min_margin=0.8).pairs() == {}


def test_rm_bench_compares_one_style_or_all(judge):
    row = {"prompt": "q", "chosen": ["a", "b", "c"], "rejected": ["x", "y", "z"]}
    rows = [row, row | {"rejected": ["x"]}, row | {"chosen": None}]
    found = judge("rm_bench", rows)
    assert list(found.pairs().values()) == [("a", "x"), ("b", "y"), ("c", "z")]
    assert found.reasons() == {"1": "response_count", "2": "no_comparison"}
    crossed = judge("rm_bench", rows, styles="all")
    assert len(crossed.pairs()) == 12
    assert crossed.pairs()["0#2,0"] == ("c", "x")
    assert crossed.reasons() == {"2": "no_comparison"}


def test_samples_without_a_judgement_are_prompts(native):
    entry = CATALOGUE["alpaca_multisamples"]
    rows = [{"instruction": "Do.", "input": "x"}, {"instruction": " ", "input": ""}]
    raw = native("alpaca_multisamples", rows)
    kept, dropped = split_prompt_rows("s", entry.layouts["prompts"](raw, entry.options()))
    assert contents(kept["prompt"][0]) == ["Do.\n\nx"]
    assert dropped["reason"].to_list() == ["empty_turn"]
