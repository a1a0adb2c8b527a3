"""Dataset formats of TRL: pairs, prompts, demonstrations and labelled responses.

The columns are those of TRL's guide "Dataset formats and types": the standard format (texts) and
the conversational format (message lists). Two more of its formats are other entries: `messages`,
and `standard_pairs` for chosen and rejected conversations without a column for the prompt. Plain
texts without a prompt (`text`, or `chosen` and `rejected` alone) have no turns; only transcripts
with markers can be read (`hh_rlhf`).
"""

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.sources.catalog.generic import (
    add_verdict,
    make_pair_layouts,
    to_demonstrations,
    to_prompts,
)
from transforms.sources.catalog.open_labels import judge_desirable
from transforms.sources.layouts.conversations import (
    append_response,
    join_conversations,
    make_turn,
)
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.scored_responses import pair_rows

TEXT_PROMPT, MESSAGE_PROMPT = make_turn("user", pl.col("prompt")), pl.col("prompt")
TEXT_COMPLETION = append_response(TEXT_PROMPT, pl.col("completion"))
MESSAGE_COMPLETION = join_conversations(MESSAGE_PROMPT, pl.col("completion"))
DESIRABLE = judge_desirable(pl.col("label"))

ENTRIES = {
    "trl_pairs": Entry(
        facts="TRL's preference format with texts; OpenRLHF's with a prompt column. The prompt is "
        "one turn of the user. Texts stay as they are, also a space at their start.",
        native=dict.fromkeys(("prompt", "chosen", "rejected"), pl.String),
        layouts=make_pair_layouts(
            *(append_response(TEXT_PROMPT, pl.col(side)) for side in ("chosen", "rejected"))
        ),
    ),
    "trl_message_pairs": Entry(
        facts="TRL's preference format with message lists and an explicit prompt: chosen and "
        "rejected have the turns after the prompt. OpenRLHF reads the same with a prompt column.",
        native=dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES),
        layouts=make_pair_layouts(
            *(join_conversations(MESSAGE_PROMPT, pl.col(side)) for side in ("chosen", "rejected"))
        ),
    ),
    "prompt_messages": Entry(
        facts="TRL's prompt-only format with message lists. With texts it is prompt_text.",
        native={"prompt": MESSAGES},
        layouts={"prompts": to_prompts(MESSAGE_PROMPT)},
    ),
    "prompt_completion": Entry(
        facts="TRL's prompt-completion format with texts.",
        native=dict.fromkeys(("prompt", "completion"), pl.String),
        layouts={
            "demonstrations": to_demonstrations(TEXT_COMPLETION),
            "prompts": to_prompts(TEXT_PROMPT),
        },
    ),
    "prompt_completion_messages": Entry(
        facts="TRL's prompt-completion format with message lists.",
        native=dict.fromkeys(("prompt", "completion"), MESSAGES),
        layouts={
            "demonstrations": to_demonstrations(MESSAGE_COMPLETION),
            "prompts": to_prompts(MESSAGE_PROMPT),
        },
    ),
    "unpaired_texts": Entry(
        facts="TRL's unpaired preference format with texts, for KTO: the label is true if the "
        "response is desirable. Desirable responses are demonstrations. As preferences, a "
        "desirable response is compared with an undesirable one to the same prompt; two equal "
        "labels are a tie.",
        native={**dict.fromkeys(("prompt", "completion"), pl.String), "label": pl.Boolean},
        layouts={
            "demonstrations": add_verdict(to_demonstrations(TEXT_COMPLETION), DESIRABLE),
            "preferences": pair_rows(
                "prompt", TEXT_PROMPT, pl.col("completion"), lambda _: pl.col("label")
            ),
            "prompts": to_prompts(TEXT_PROMPT),
        },
        group_by="prompt",
    ),
    "unpaired_messages": Entry(
        facts="TRL's unpaired preference format with message lists. Desirable responses are "
        "demonstrations; rows are not grouped by a message list, so there are no comparisons.",
        native={**dict.fromkeys(("prompt", "completion"), MESSAGES), "label": pl.Boolean},
        layouts={
            "demonstrations": add_verdict(to_demonstrations(MESSAGE_COMPLETION), DESIRABLE),
            "prompts": to_prompts(MESSAGE_PROMPT),
        },
    ),
}
