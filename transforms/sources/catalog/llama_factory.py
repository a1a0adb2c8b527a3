"""Dataset formats of LLaMA-Factory: Alpaca's and ShareGPT's columns, with system and history.

The columns are those of the file data/README.md of the LLaMA-Factory repository, under their
default names. Three more of its formats are other entries: `sharegpt_pairs`, `messages` (OpenAI's
format) and `kto_messages`. The columns of tools and images are not read.
"""

import polars as pl

from transforms.sources.catalog.generic import (
    add_verdict,
    make_pair_layouts,
    to_demonstrations,
    to_prompts,
)
from transforms.sources.catalog.open_labels import judge_desirable
from transforms.sources.catalog.open_pairs import SPEECH
from transforms.sources.catalog.open_prompts import ALPACA_PROMPT
from transforms.sources.layouts.conversations import (
    append_response,
    drop_last_turn,
    join_conversations,
    prepend_system,
    read_history,
    read_sharegpt,
)
from transforms.sources.layouts.entry import Entry

INSTRUCTION = {"instruction": pl.String}
CONTEXT: dict[str, pl.DataType | type[pl.DataType]] = {
    "input": pl.String,
    "system": pl.String,
    "history": pl.List(pl.List(pl.String)),
}
PROMPT = prepend_system(
    pl.col("system"), join_conversations(read_history("history").fill_null([]), ALPACA_PROMPT)
)
ANSWERED = append_response(PROMPT, pl.col("output"))
SHAREGPT = prepend_system(pl.col("system"), read_sharegpt("conversations"))
DESIRABLE = judge_desirable(pl.col("kto_tag"))

ENTRIES = {
    "llama_factory_alpaca": Entry(
        facts="LLaMA-Factory's alpaca format for fine-tuning. An input follows the instruction "
        "after an empty line (LLaMA-Factory: after a line end); history has the turns before.",
        native={**INSTRUCTION, "output": pl.String, **CONTEXT},
        optional=tuple(CONTEXT),
        layouts={"demonstrations": to_demonstrations(ANSWERED), "prompts": to_prompts(PROMPT)},
    ),
    "llama_factory_pairs": Entry(
        facts="LLaMA-Factory's alpaca format for preferences; input, system and history as in "
        "llama_factory_alpaca.",
        native={**INSTRUCTION, "chosen": pl.String, "rejected": pl.String, **CONTEXT},
        optional=tuple(CONTEXT),
        layouts=make_pair_layouts(
            *(append_response(PROMPT, pl.col(side)) for side in ("chosen", "rejected"))
        ),
    ),
    "llama_factory_kto": Entry(
        facts="LLaMA-Factory's alpaca format for KTO: kto_tag is true if the response is "
        "desirable. Desirable responses are demonstrations.",
        native={**INSTRUCTION, "output": pl.String, "kto_tag": pl.Boolean, **CONTEXT},
        optional=tuple(CONTEXT),
        layouts={
            "demonstrations": add_verdict(to_demonstrations(ANSWERED), DESIRABLE),
            "prompts": to_prompts(PROMPT),
        },
    ),
    "sharegpt_system": Entry(
        facts="LLaMA-Factory's sharegpt format with a column for the system text.",
        native={"conversations": pl.List(SPEECH), "system": pl.String},
        layouts={
            "demonstrations": to_demonstrations(SHAREGPT),
            "prompts": to_prompts(drop_last_turn(SHAREGPT)),
        },
    ),
    "sharegpt_kto": Entry(
        facts="LLaMA-Factory's sharegpt format for KTO. Desirable conversations are "
        "demonstrations.",
        native={"conversations": pl.List(SPEECH), "kto_tag": pl.Boolean, "system": pl.String},
        optional=("system",),
        layouts={
            "demonstrations": add_verdict(to_demonstrations(SHAREGPT), DESIRABLE),
            "prompts": to_prompts(drop_last_turn(SHAREGPT)),
        },
    ),
}
