"""Public files of two responses per row, the preferred one in its own column.

The columns were read from the files. Not here: responses with a label
(`transforms.sources.catalog.open_labels`), sets of more responses
(`transforms.sources.catalog.open_sets`).
"""

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.sources import Role
from transforms.sources.catalog.generic import add_verdict, make_pair_layouts
from transforms.sources.layouts.conversations import (
    SHAREGPT_ROLES,
    append_response,
    make_turn,
    prepend_system,
    read_sharegpt,
    read_typed_parts,
)
from transforms.sources.layouts.entry import Entry, Layout

PROMPT = make_turn("user", pl.col("prompt"))
PROMPTED_PAIR = [append_response(PROMPT, pl.col(side)) for side in ("chosen", "rejected")]
TEXTS = dict.fromkeys(("prompt", "chosen", "rejected"), pl.String)
SCORES = dict.fromkeys(("score_chosen", "score_rejected"), pl.Float64)
ORCA_PROMPT = prepend_system(pl.col("system"), make_turn("user", pl.col("question")))
QUESTION = make_turn("user", pl.col("question"))
SPEECH = pl.Struct({"from": pl.String, "value": pl.String})
PARTS = pl.List(pl.Struct({"type": pl.String, "value": pl.String}))
PARTED = pl.List(pl.Struct({"role": pl.String, "content": PARTS}))


def append_last_turn(column: str) -> pl.Expr:
    """Append a {from, value} turn to the system text and the conversation before it."""
    speech = pl.col(column).struct
    last = pl.struct(
        role=speech.field("from").replace(SHAREGPT_ROLES), content=speech.field("value")
    )
    turns = prepend_system(pl.col("system"), read_sharegpt("conversations"))
    return pl.concat_list(turns, last).cast(MESSAGES)


def make_typed_part_layouts() -> dict[Role, Layout]:
    """Return the layouts of two conversations whose turns contain lists of typed parts."""
    sides = ("chosen_messages", "rejected_messages")
    kinds = pl.element().struct.field("content").list.eval(pl.element().struct.field("type"))
    other = kinds.list.eval(pl.element() != "text").list.any()
    verdict = pl.when(
        pl.any_horizontal(pl.col(side).list.eval(other).list.any() for side in sides)
    ).then(pl.lit("not_text"))
    layouts = make_pair_layouts(*(read_typed_parts(side) for side in sides))
    return {role: add_verdict(layout, verdict) for role, layout in layouts.items()}


ENTRIES = {
    "metadata_scored_pairs": Entry(
        facts="ultrafeedback/train_1000 and label_flip_10: binarised rows of UltraFeedback with "
        "overall scores. A flipped label contradicts its scores: label_conflict, or tie. "
        "source_index, the row number in the original set, is kept to identify copies.",
        native={
            **TEXTS,
            "source_index": pl.Int64,
            "metadata": pl.Struct(SCORES),
        },
        layouts=make_pair_layouts(
            *PROMPTED_PAIR,
            scores=tuple(pl.col("metadata").struct.field(score) for score in SCORES),
        ),
    ),
    "scored_pairs": Entry(
        facts="ultrafeedback/binarized_custom_10: scores in columns, some negative; their unit is "
        "not stated.",
        native={**TEXTS, **SCORES},
        layouts=make_pair_layouts(*PROMPTED_PAIR, scores=tuple(pl.col(score) for score in SCORES)),
    ),
    "intel_orca": Entry(
        facts="pairs/intel_orca_dpo_pairs_100. GPT-4's answer is assumed to be better, without a "
        "judgement; the paper uses the judged set of the same questions (orca_pairs). An empty "
        "system text makes no turn.",
        native=dict.fromkeys(("system", "question", "chosen", "rejected"), pl.String),
        layouts=make_pair_layouts(
            *(append_response(ORCA_PROMPT, pl.col(side)) for side in ("chosen", "rejected"))
        ),
        hub_id="Intel/orca_dpo_pairs",
    ),
    "stack_exchange_paired": Entry(
        facts="pairs/stack_exchange_paired_tiny. response_j has the higher score on the site "
        "(general knowledge of lvwerra/stack-exchange-paired); the scores are not in the file.",
        native=dict.fromkeys(("question", "response_j", "response_k"), pl.String),
        layouts=make_pair_layouts(
            *(append_response(QUESTION, pl.col(side)) for side in ("response_j", "response_k"))
        ),
    ),
    "sharegpt_pairs": Entry(
        facts="pairs/dpo_en_demo, LLaMA-Factory's layout: common turns, then two last turns.",
        native={
            "conversations": pl.List(SPEECH),
            "chosen": SPEECH,
            "rejected": SPEECH,
            "system": pl.String,
        },
        optional=("system",),
        layouts=make_pair_layouts(append_last_turn("chosen"), append_last_turn("rejected")),
    ),
    "typed_part_pairs": Entry(
        facts="pairs/v1_dpo_demo, LLaMA-Factory's second layout. The text parts of a turn are "
        "joined; a row with other parts, such as an image, is dropped (not_text). loss_weight is "
        "not read: every assistant turn counts.",
        native={"chosen_messages": PARTED, "rejected_messages": PARTED},
        layouts=make_typed_part_layouts(),
    ),
}
