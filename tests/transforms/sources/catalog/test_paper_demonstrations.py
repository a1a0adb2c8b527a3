import polars as pl
import pytest

from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog import CATALOGUE, paper_demonstrations, paper_prompts
from transforms.sources.files.tabular import conform
from transforms.sources.intake.demonstrations import split_demonstrations

TEXTS = {
    "math_instruct": ("instruction", "output"),
    "magicoder_evol_instruct": ("instruction", "response"),
    "orca_math": ("question", "answer"),
    "ultrainteract_sft": ("instruction", "response"),
    "gpt4_llm": ("instruction", "output"),
    "gpteacher": ("instruction", "response"),
}


def split(raw, name, fate="drop"):
    options = SourceOptions(system_turn=fate)
    rows = CATALOGUE[name].layouts["demonstrations"](raw, options)
    kept, dropped = split_demonstrations(name, rows, options)
    assert sorted([*kept["row_key"], *dropped["row_key"]]) == sorted(raw["row_key"])
    return kept, dict(dropped.select("row_key", "reason").rows())


def test_every_set_of_the_paper_has_an_entry():
    assert {*TEXTS, "sharegpt", "evol_instruct", "slim_orca"} == set(paper_demonstrations.ENTRIES)
    assert set(paper_prompts.ENTRIES) == {"open_orca", "dibt_10k"}


@pytest.mark.parametrize("name", TEXTS)
def test_a_question_and_an_answer(native, name):
    question, answer = TEXTS[name]
    rows = [
        {question: "q\u2028é", answer: "a"},
        {question: "q" * 100_000, answer: "a"},
        {question: "q", answer: " \n"},
        {question: "q"},
        {answer: "a"},
    ]
    kept, reasons = split(native(name, rows), name)
    assert kept["row_key"].to_list() == ["0", "1"]
    assert [turn["role"] for turn in kept["messages"][0]] == ["user", "assistant"]
    assert reasons == {"2": "empty_turn", "3": "missing_value", "4": "missing_value"}


@pytest.mark.parametrize("name", ["gpt4_llm", "gpteacher"])
def test_an_input_follows_the_instruction(native, name):
    row = dict(zip(TEXTS[name], ("q", "a"), strict=True))
    kept, _ = split(native(name, [row | {"input": text} for text in ("x", "", None)]), name)
    prompts = [messages[0]["content"] for messages in kept["messages"].to_list()]
    assert prompts == ["q\n\nx", "q", "q"]


@pytest.mark.parametrize("name", ["sharegpt", "evol_instruct", "slim_orca"])
def test_speakers_become_roles(native, name):
    def talk(*speakers, text="x"):
        return {"conversations": [{"from": speaker, "value": text} for speaker in speakers]}

    rows = [
        talk("human", "gpt"),
        talk("system", "human", "gpt", "human", "gpt"),
        talk("gpt", "human", "gpt"),
        talk("human", "gpt", "human"),
        talk("human", "gpt", "gpt"),
        talk("human", "nobody"),
        talk("human", "gpt", text=""),
        talk(),
        {},
    ]
    kept, reasons = split(native(name, rows), name)
    assert kept["row_key"].to_list() == ["0", "1"]
    assert reasons == {
        **dict.fromkeys(("2", "3", "4", "5"), "role_order"),
        "6": "empty_turn",
        "7": "role_order",
        "8": "missing_value",
    }
    kept, _ = split(native(name, rows), name, fate="remove")
    assert [turn["role"] for turn in kept["messages"][1]] == ["user", "assistant"] * 2


def test_a_turns_weight_is_left_out():
    weighed = [[{"from": "human", "value": "q", "weight": 0.0}]]
    rows = conform(
        pl.DataFrame({"conversations": weighed}), CATALOGUE["slim_orca"].native, (), "slim_orca"
    )
    assert rows["conversations"].to_list() == [[{"from": "human", "value": "q"}]]


def prompts(raw, name):
    rows = CATALOGUE[name].layouts["prompts"](raw, SourceOptions())
    kept, dropped = split_prompt_rows(name, rows)
    texts = [[turn["content"] for turn in messages] for messages in kept["prompt"].to_list()]
    return texts, dropped["reason"].to_list()


def test_open_orca_has_a_system_turn_where_there_is_text(native):
    rows = [
        {"system_prompt": "Think.", "question": "q", "response": "a"},
        {"system_prompt": "", "question": "q", "response": ""},
        {"system_prompt": "Think."},
    ]
    raw = native("open_orca", rows)
    assert prompts(raw, "open_orca") == ([["Think.", "q"], ["q"]], ["missing_value"])
    kept, reasons = split(raw, "open_orca")
    assert kept["row_key"].to_list() == ["0"]
    assert reasons == {"1": "empty_turn", "2": "missing_value"}


def test_dibt_is_a_prompt_a_row(native):
    raw = native("dibt_10k", [{"prompt": "q"}, {"prompt": ""}, {}])
    assert prompts(raw, "dibt_10k") == ([["q"]], ["empty_turn", "missing_value"])
