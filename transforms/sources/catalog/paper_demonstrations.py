"""Fine-tuning sets of the paper's π₀ (section 3.1 and appendix B).

The paper names the sets, but no ids and no filter. The ids are from the card of
pxyyy/rlhflow_mixture_intuitive-v5_sampled-20k, a later mixture of the same sets. If an entry names
no source for its columns, they are general knowledge and were not seen here: ingest refuses files
with other columns.
"""

from typing import Any

import polars as pl

from transforms.sources.catalog.generic import to_demonstrations
from transforms.sources.layouts.conversations import (
    append_response,
    join_instruction,
    make_turn,
    read_sharegpt,
)
from transforms.sources.layouts.entry import Entry


def describe_question_answers(
    question: str, answer: str, context: str | None = None
) -> dict[str, Any]:
    """Return the fields of an entry with one question, an optional input and one answer per row."""
    text = pl.col(question)
    columns = [question, answer]
    if context is not None:
        text = join_instruction(text, pl.col(context))
        columns.insert(1, context)
    conversation = append_response(make_turn("user", text), pl.col(answer))
    return {
        "native": dict.fromkeys(columns, pl.String),
        "layouts": {"demonstrations": to_demonstrations(conversation)},
    }


def describe_sharegpt() -> dict[str, Any]:
    """Return the fields of an entry with one conversation per row, in the ShareGPT layout."""
    return {
        "native": {"conversations": pl.List(pl.Struct({"from": pl.String, "value": pl.String}))},
        "layouts": {"demonstrations": to_demonstrations(read_sharegpt("conversations"))},
    }


ENTRIES = {
    "sharegpt": Entry(
        facts="The mixture's card names ShareGPT_V3_unfiltered_cleaned_split_no_imsorry, one file "
        "of anon8231489123/ShareGPT_Vicuna_unfiltered. Name this file in `files`: the whole "
        "dataset has several versions of each conversation. Long conversations are cut into pieces "
        "that may begin with the assistant or end with the user: these are dropped (role_order), "
        "not repaired.",
        **describe_sharegpt(),
    ),
    "evol_instruct": Entry(
        facts="Xu et al. 2023 (WizardLM). One exchange per row.",
        hub_id="WizardLM/WizardLM_evol_instruct_V2_196k",
        **describe_sharegpt(),
    ),
    "slim_orca": Entry(
        facts="Columns from cards of copies. The weight of a turn is not read. Most rows begin "
        "with a system turn, which demonstrations may have.",
        hub_id="Open-Orca/SlimOrca",
        **describe_sharegpt(),
    ),
    "math_instruct": Entry(
        facts="Yue et al. 2023 (MAmmoTH). Answers in words and answers as programs are both kept.",
        hub_id="TIGER-Lab/MathInstruct",
        **describe_question_answers("instruction", "output"),
    ),
    "magicoder_evol_instruct": Entry(
        facts="Wei et al. 2023 (Magicoder).",
        hub_id="ise-uiuc/Magicoder-Evol-Instruct-110K",
        **describe_question_answers("instruction", "response"),
    ),
    "gpt4_llm": Entry(
        facts="Peng et al. 2023, the cleaned copy. An input follows the instruction after an empty "
        "line, without Alpaca's template, which belongs to a model and not to the data.",
        hub_id="teknium/GPT4-LLM-Cleaned",
        **describe_question_answers("instruction", "output", context="input"),
    ),
    "orca_math": Entry(
        facts="Mitra et al. 2024 (Orca-Math).",
        hub_id="microsoft/orca-math-word-problems-200k",
        **describe_question_answers("question", "answer"),
    ),
    "gpteacher": Entry(
        facts="Columns from the set's card: Alpaca's, some inputs null.",
        hub_id="teknium/GPTeacher-General-Instruct",
        **describe_question_answers("instruction", "response", context="input"),
    ),
    "ultrainteract_sft": Entry(
        facts="Yuan et al. 2024 (Eurus). Columns from the set's card (288,579 rows). The history "
        "of a later step is part of its instruction.",
        hub_id="openbmb/UltraInteract_sft",
        **describe_question_answers("instruction", "response"),
    ),
}
