"""Dataset formats of OpenRLHF: the column `input` for prompts and fine-tuning, and scored rows.

The columns are the defaults in the readers of the OpenRLHF repository (openrlhf/datasets). Three
more of its formats are other entries: `trl_pairs` and `trl_message_pairs` with a column for the
prompt, `standard_pairs` without, and `context_messages` for its prompt collection.
"""

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.sources.catalog.generic import to_demonstrations, to_prompts
from transforms.sources.layouts.conversations import append_response, make_turn
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.scored_responses import pair_rows

INPUT = make_turn("user", pl.col("input"))
INSTRUCTION = make_turn("user", pl.col("instruction"))

ENTRIES = {
    "input_text": Entry(
        facts="OpenRLHF's prompts as texts, with the default input_key.",
        native={"input": pl.String},
        layouts={"prompts": to_prompts(INPUT)},
    ),
    "input_messages": Entry(
        facts="OpenRLHF's message lists with the default input_key: prompts, or whole "
        "conversations for fine-tuning (multiturn), which are demonstrations.",
        native={"input": MESSAGES},
        layouts={
            "prompts": to_prompts(pl.col("input")),
            "demonstrations": to_demonstrations(pl.col("input")),
        },
    ),
    "input_output": Entry(
        facts="OpenRLHF's fine-tuning format with the keys input and output.",
        native=dict.fromkeys(("input", "output"), pl.String),
        layouts={
            "demonstrations": to_demonstrations(append_response(INPUT, pl.col("output"))),
            "prompts": to_prompts(INPUT),
        },
    ),
    "unpaired_scores": Entry(
        facts="OpenRLHF's unpaired preference format: one scored response per row. Of two "
        "responses to one instruction, the one with the higher score is preferred. The columns "
        "are from its reader; rows were not seen.",
        native={**dict.fromkeys(("instruction", "response"), pl.String), "score": pl.Float64},
        layouts={
            "preferences": pair_rows(
                "instruction", INSTRUCTION, pl.col("response"), lambda _: pl.col("score")
            ),
            "prompts": to_prompts(INSTRUCTION),
        },
        group_by="instruction",
    ),
}
