import pytest

from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.demonstrations import split_demonstrations


@pytest.fixture
def judge_role(native):
    """Judge native rows as demonstrations or prompts: kept conversations by key, reasons."""

    def judged(role, name, rows):
        split = split_prompt_rows if role == "prompts" else split_demonstrations
        column = "prompt" if role == "prompts" else "messages"
        candidates = CATALOGUE[name].layouts[role](native(name, rows), SourceOptions())
        kept, dropped = split("s", candidates)
        assert sorted([*kept["row_key"], *dropped["row_key"]]) == sorted(candidates["row_key"])
        texts = {
            key: [turn["content"] for turn in turns]
            for key, turns in kept.select("row_key", column).rows()
        }
        return texts, dict(dropped.select("row_key", "reason").rows())

    return judged


def test_alpaca(judge_role):
    rows = [
        {"instruction": "Do.", "input": "x\n", "output": "y"},
        {"instruction": "Do.", "input": "", "output": "y"},
        {"instruction": "Do.", "output": "  "},
        {"instruction": "Do.", "input": " "},
        {"input": "x", "output": "y"},
    ]
    kept, reasons = judge_role("demonstrations", "alpaca", rows)
    assert kept == {"0": ["Do.\n\nx\n", "y"], "1": ["Do.", "y"]}
    assert reasons == {"2": "empty_turn", "3": "missing_value", "4": "missing_value"}
    kept, reasons = judge_role("prompts", "alpaca", rows)
    assert list(kept) == ["0", "1", "2", "3"]
    assert reasons == {"4": "missing_value"}


@pytest.mark.parametrize(
    ("name", "column"), [("prompt_text", "prompt"), ("wizardlm_testset", "Instruction")]
)
def test_one_text_is_the_prompt(judge_role, name, column):
    kept, reasons = judge_role("prompts", name, [{column: "é\u2028"}, {column: "\t"}, {}])
    assert kept == {"0": ["é\u2028"]}
    assert reasons == {"1": "empty_turn", "2": "missing_value"}


def test_each_instance_is_a_row(judge_role):
    def instance(given, answer):
        return {"input": given, "output": answer}

    rows = [
        {"instruction": "Do.", "instances": [instance("x", "y"), instance("", "z")]},
        {"instruction": "Do.", "instances": []},
        {"instruction": "Do."},
        {"instances": [instance("x", "y"), None]},
    ]
    kept, reasons = judge_role("demonstrations", "instruction_instances", rows)
    assert kept == {"0#0": ["Do.\n\nx", "y"], "0#1": ["Do.", "z"]}
    missing = ("1", "2", "3#0", "3#1")
    assert reasons == dict.fromkeys(missing, "missing_value")
    kept, reasons = judge_role("prompts", "instruction_instances", rows)
    assert list(kept) == ["0#0", "0#1", "1", "2"]
    assert reasons == dict.fromkeys(missing[2:], "missing_value")
