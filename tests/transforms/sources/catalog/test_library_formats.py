"""Formats of TRL, LLaMA-Factory and OpenRLHF, as files of JSON lines and of parquet."""

import json

import polars as pl
import pytest

from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.sources import OriginSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.files.reading import read_batches
from transforms.sources.intake.demonstrations import split_demonstrations
from transforms.sources.intake.preferences import split_pairs

ASK, REPLY, WORSE = "What colour is the sky?", "It is blue.", "It is green."


def turns(*texts, start="user"):
    roles = ("user", "assistant") if start == "user" else ("assistant", "user")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def speech(*texts):
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


ANSWER, OTHER = (turns(text, start="assistant") for text in (REPLY, WORSE))
QUESTION, WHOLE = turns(ASK), turns(ASK, REPLY)
INSTRUCTION = {"instruction": ASK, "input": "", "output": REPLY}
HISTORY = {"instruction": ASK, "system": "Be brief.", "history": [["Hi", "Hello."]]}
LED = [{"role": "system", "content": "Be brief."}, *turns("Hi", "Hello.", ASK)]

PAIRS = {
    "trl_pairs": {"prompt": ASK, "chosen": REPLY, "rejected": WORSE},
    "trl_message_pairs": {"prompt": QUESTION, "chosen": ANSWER, "rejected": OTHER},
    "standard_pairs": {"chosen": WHOLE, "rejected": turns(ASK, WORSE)},
    "llama_factory_pairs": {"instruction": ASK, "input": "", "chosen": REPLY, "rejected": WORSE},
    "sharegpt_pairs": {
        "conversations": speech(ASK),
        "chosen": {"from": "gpt", "value": REPLY},
        "rejected": {"from": "gpt", "value": WORSE},
    },
}
DEMONSTRATIONS = {
    "messages": {"messages": WHOLE},
    "prompt_completion": {"prompt": ASK, "completion": REPLY},
    "prompt_completion_messages": {"prompt": QUESTION, "completion": ANSWER},
    "unpaired_texts": {"prompt": ASK, "completion": REPLY, "label": True},
    "unpaired_messages": {"prompt": QUESTION, "completion": ANSWER, "label": True},
    "llama_factory_alpaca": INSTRUCTION,
    "llama_factory_kto": INSTRUCTION | {"kto_tag": True},
    "sharegpt": {"conversations": speech(ASK, REPLY)},
    "sharegpt_system": {"conversations": speech(ASK, REPLY), "system": ""},
    "sharegpt_kto": {"conversations": speech(ASK, REPLY), "kto_tag": True},
    "kto_messages": {"messages": WHOLE, "label": True},
    "input_messages": {"input": WHOLE},
    "input_output": {"input": ASK, "output": REPLY},
}
PROMPTS = {
    "prompt_text": {"prompt": ASK},
    "prompt_messages": {"prompt": QUESTION},
    "prompt_completion": {"prompt": ASK, "completion": REPLY},
    "prompt_completion_messages": {"prompt": QUESTION, "completion": ANSWER},
    "unpaired_texts": {"prompt": ASK, "completion": REPLY, "label": False},
    "unpaired_messages": {"prompt": QUESTION, "completion": ANSWER, "label": False},
    "llama_factory_alpaca": {"instruction": ASK, "output": REPLY},
    "llama_factory_kto": {"instruction": ASK, "output": REPLY, "kto_tag": False},
    "sharegpt_system": {"conversations": speech(ASK, REPLY), "system": " "},
    "sharegpt_kto": {"conversations": speech(ASK, REPLY), "kto_tag": False},
    "input_text": {"input": ASK},
    "input_messages": {"input": QUESTION},
    "input_output": {"input": ASK, "output": REPLY},
    "unpaired_scores": {"instruction": ASK, "response": REPLY, "score": 1},
    "context_messages": {"context_messages": QUESTION},
}


def read(tmp_path, form, name, rows):
    """Native rows of an entry from a file of one form."""
    path = tmp_path / f"rows.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pl.DataFrame(rows).write_parquet(path)
    entry = CATALOGUE[name]
    origin = OriginSettings(files=(str(path),))
    return pl.concat(b.rows for b in read_batches(name, origin, entry.native, entry.optional))


@pytest.fixture(params=["jsonl", "parquet"])
def layout(request, tmp_path):
    """Standard rows of a role: `layout(entry, role, rows)`."""

    def lay_out(name, role, rows):
        entry = CATALOGUE[name]
        raw = read(tmp_path, request.param, name, rows)
        return entry.layouts[role](raw, entry.options())

    return lay_out


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_of_every_format(layout, name):
    kept, _ = split_pairs("s", layout(name, "preferences", [PAIRS[name]]))
    row = kept.row(0, named=True)
    assert (row["prompt"], row["chosen"], row["rejected"]) == (QUESTION, ANSWER, OTHER)


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_a_demonstration_of_every_format(layout, name):
    kept, _ = split_demonstrations("s", layout(name, "demonstrations", [DEMONSTRATIONS[name]]))
    assert kept["messages"].to_list() == [WHOLE]


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_of_every_format(layout, name):
    kept, _ = split_prompt_rows("s", layout(name, "prompts", [PROMPTS[name]]))
    assert kept["prompt"].to_list() == [QUESTION]


@pytest.mark.parametrize("name", [name for name, row in DEMONSTRATIONS.items() if len(row) > 1])
def test_undesirable_responses_are_no_demonstrations(layout, name):
    tags = {"label", "kto_tag"} & set(DEMONSTRATIONS[name])
    rows = [DEMONSTRATIONS[name] | dict.fromkeys(tags, value) for value in (True, False, None)]
    _, dropped = split_demonstrations("s", layout(name, "demonstrations", rows))
    assert dropped["reason"].to_list() == (["undesirable", "no_label"] if tags else [])


@pytest.mark.parametrize(
    ("name", "prompt", "response", "score"),
    [
        ("unpaired_texts", "prompt", "completion", "label"),
        ("unpaired_scores", "instruction", "response", "score"),
    ],
)
def test_labelled_responses_to_one_prompt_are_compared(layout, name, prompt, response, score):
    labels = (True, False) if score == "label" else (2, 1)
    rows = [
        {prompt: ASK, response: WORSE, score: labels[1]},
        {prompt: ASK, response: REPLY, score: labels[0]},
        {prompt: "Alone?", response: REPLY, score: labels[0]},
    ]
    kept, dropped = split_pairs("s", layout(name, "preferences", rows))
    assert kept["chosen"].to_list() == [ANSWER]
    assert kept["rejected"].to_list() == [OTHER]
    assert dropped["reason"].to_list() == ["no_comparison"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("llama_factory_alpaca", {"output": REPLY}),
        ("llama_factory_kto", {"output": REPLY, "kto_tag": True}),
        ("llama_factory_pairs", {"chosen": REPLY, "rejected": WORSE}),
    ],
)
def test_system_and_history_go_before_the_instruction(layout, name, row):
    demonstrations = layout(name, "demonstrations", [HISTORY | row, {"instruction": ASK} | row])
    kept, _ = split_demonstrations("s", demonstrations)
    assert kept["messages"].to_list() == [[*LED, *ANSWER], WHOLE]


def test_a_system_column_of_shared_turns_is_folded():
    entry = CATALOGUE["sharegpt_pairs"]
    row = {"row_key": "f:1", **PAIRS["sharegpt_pairs"], "system": "Be brief."}
    raw = pl.DataFrame([row], schema={"row_key": pl.String, **entry.native})
    options = entry.options(system_turn="fold")
    kept, _ = split_pairs("s", entry.layouts["preferences"](raw, options), options)
    assert kept["prompt"].item().to_list() == turns(f"Be brief.\n\n{ASK}")
