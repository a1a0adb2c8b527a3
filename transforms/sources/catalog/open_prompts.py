"""Public files of prompts and instructions, some with an answer, none with a preference.

The columns were read from the files.
"""

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog.generic import to_demonstrations, to_prompts
from transforms.sources.layouts.conversations import append_response, join_instruction, make_turn
from transforms.sources.layouts.entry import Entry, Layout

ALPACA_PROMPT = make_turn("user", join_instruction(pl.col("instruction"), pl.col("input")))
INSTANCES = pl.List(pl.Struct({"input": pl.String, "output": pl.String}))


def lay_out_instances(layout: Layout) -> Layout:
    """Apply a layout to each instance of an instruction, keyed `<row_key>#<i>`.

    An instruction without instances stays one row with null input and output.
    """

    def layout_of_instances(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        numbers = pl.int_ranges(pl.col("instances").list.len())
        rows = raw.with_columns(number=numbers).explode("instances", "number", empty_as_null=True)
        key = pl.when(pl.col("number").is_null()).then("row_key")
        rows = rows.with_columns(row_key=key.otherwise(pl.format("{}#{}", "row_key", "number")))
        return layout(rows.unnest("instances"), options)

    return layout_of_instances


ENTRIES = {
    "alpaca": Entry(
        facts="prompts/code_alpaca_2k and many others: Alpaca's columns. An input follows the "
        "instruction after an empty line, without Alpaca's template.",
        native=dict.fromkeys(("instruction", "input", "output"), pl.String),
        layouts={
            "demonstrations": to_demonstrations(append_response(ALPACA_PROMPT, pl.col("output"))),
            "prompts": to_prompts(ALPACA_PROMPT),
        },
    ),
    "prompt_text": Entry(
        facts="prompts/hh_rlhf_100 and many others: a prompt as text.",
        native={"prompt": pl.String},
        layouts={"prompts": to_prompts(make_turn("user", pl.col("prompt")))},
    ),
    "instruction_instances": Entry(
        facts="prompts/user_oriented_252, the layout of Self-Instruct: an instruction and a list "
        "of inputs with outputs; each instance is one row.",
        native={"instruction": pl.String, "instances": INSTANCES},
        layouts={
            "prompts": lay_out_instances(to_prompts(ALPACA_PROMPT)),
            "demonstrations": lay_out_instances(
                to_demonstrations(append_response(ALPACA_PROMPT, pl.col("output")))
            ),
        },
    ),
    "wizardlm_testset": Entry(
        facts="prompts/wizardlm_testset_218. An evaluation set of its authors: use it as prompts "
        "only if you do not evaluate on it.",
        native={"Instruction": pl.String},
        layouts={"prompts": to_prompts(make_turn("user", pl.col("Instruction")))},
    ),
}
