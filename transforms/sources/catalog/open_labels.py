"""Public files with a label per pair of responses, or per response.

The columns were read from the files. Not here: sets of more responses
(`transforms.sources.catalog.open_sets`).
"""

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.sources import Role
from transforms.sources.catalog.generic import add_verdict, to_demonstrations, to_prompts
from transforms.sources.layouts.comparisons import (
    label_from_index,
    pair_labelled_conversations,
    pair_labelled_responses,
)
from transforms.sources.layouts.conversations import (
    append_response,
    join_instruction,
    make_turn,
    read_json_turns,
    split_text,
)
from transforms.sources.layouts.entry import Entry, Layout
from transforms.sources.layouts.scored_responses import pair_rows

HISTORY = split_text(pl.lit("\n\n") + pl.col("history"), "\n\nHUMAN:", "\n\nASSISTANT:")
PANDA_PROMPT = make_turn("user", join_instruction(pl.col("instruction"), pl.col("input")))
PROMPT = make_turn("user", pl.col("prompt"))
WINNERS = ("winner_tie", "winner_model_a", "winner_model_b")
"""Columns in the order of the labels 0, 1, 2."""


def judge_desirable(desirable: pl.Expr) -> pl.Expr:
    """Return the verdict on a demonstration from its label: null if it is desirable."""
    return (
        pl.when(desirable.is_null()).then(pl.lit("no_label"))
        .when(~desirable).then(pl.lit("undesirable"))
    )  # fmt: skip


def find_majority(first: pl.Expr, second: pl.Expr, third: pl.Expr) -> pl.Expr:
    """Return the label that two of three annotators agree on; null if no two agree."""
    return (
        pl.when((first == second) | (first == third)).then(first)
        .when(second == third).then(second)
    )  # fmt: skip


def find_winner() -> pl.Expr:
    """Return the label from three columns, exactly one of which is 1 (`WINNERS`)."""
    one = pl.sum_horizontal(WINNERS) == 1
    return pl.coalesce(
        pl.when(one & (pl.col(name) == 1)).then(label) for label, name in enumerate(WINNERS)
    )


def make_score_list_layouts() -> dict[Role, Layout]:
    """Return the layouts of rows with a list of two conversations and a list of their scores."""
    texts, scores = (
        [pl.col(column).list.get(place, null_on_oob=True) for place in (0, 1)]
        for column in ("text", "score")
    )
    first, second = (split_text(text, "## Human:", "## Assistant:") for text in texts)
    two = (pl.col("text").list.len() == 2) & (pl.col("score").list.len() == 2)
    # equal scores get label 1, not 0: then the rule about ties drops them, with scores as evidence
    winner = (
        pl.when(two & (scores[0] >= scores[1])).then(1)
        .when(two & (scores[0] < scores[1])).then(2)
    )  # fmt: skip
    return {"preferences": pair_labelled_conversations(first, second, winner, scores)}


ENTRIES = {
    "hh_in_shp_columns": Entry(
        facts="shp_schema/hh_helpful_test_in_shp_schema: HH-RLHF's helpful test split in columns "
        "of SHP, without scores. labels is 1 if A is preferred. Turns begin with HUMAN: and "
        "ASSISTANT: after an empty line.",
        native={
            **dict.fromkeys(("post_id", "history", "human_ref_A", "human_ref_B"), pl.String),
            "labels": pl.Int64,
        },
        layouts={
            "preferences": pair_labelled_responses(
                HISTORY,
                pl.col("human_ref_A"),
                pl.col("human_ref_B"),
                label_from_index(1 - pl.col("labels")),
            ),
            "prompts": to_prompts(HISTORY),
        },
    ),
    "webgpt_lists": Entry(
        facts="text_score_lists/webgpt_test: two whole conversations and two scores; the higher "
        "score is preferred; 245 of 901 rows are ties. A row without exactly two has no label.",
        native={"text": pl.List(pl.String), "score": pl.List(pl.Float64)},
        layouts=make_score_list_layouts(),
    ),
    "beavertails_rows": Entry(
        facts="pairs/beavertails_demo: answers labelled one by one, is_safe is 0 or 1 (a boolean "
        "on the hub, from general knowledge). A safe answer is compared with an unsafe one to the "
        "same prompt; two equal labels are a tie. All 51 prompts of the file differ, so it gives "
        "no pair. The safe answers are demonstrations.",
        native={"prompt": pl.String, "response": pl.String, "is_safe": pl.Int64},
        layouts={
            "preferences": pair_rows(
                "prompt", PROMPT, pl.col("response"), lambda _: pl.col("is_safe")
            ),
            "demonstrations": add_verdict(
                to_demonstrations(append_response(PROMPT, pl.col("response"))),
                judge_desirable(pl.col("is_safe") == 1),
            ),
            "prompts": to_prompts(PROMPT),
        },
        group_by="prompt",
    ),
    "kto_messages": Entry(
        facts="pairs/kto_en_demo: conversations labelled one by one. Desirable ones are "
        "demonstrations. Only one of its 297 prompts has both labels, so it gives no comparisons.",
        native={"messages": MESSAGES, "label": pl.Boolean},
        layouts={
            "demonstrations": add_verdict(
                to_demonstrations(pl.col("messages")), judge_desirable(pl.col("label"))
            )
        },
    ),
    "lmsys_arena": Entry(
        facts="pairs/lmsys_arena_49, Kaggle's layout: JSON lists of the user's turns and of each "
        "model's turns. Conversations of several turns differ from the first answer on, so they "
        "have no common prompt and the structural filter drops them (prefix_mismatch); the vote is "
        "on whole conversations.",
        native={
            **dict.fromkeys(("prompt", "response_a", "response_b"), pl.String),
            **dict.fromkeys(WINNERS, pl.Int64),
        },
        layouts={
            "preferences": pair_labelled_conversations(
                read_json_turns("prompt", "response_a"),
                read_json_turns("prompt", "response_b"),
                find_winner(),
            )
        },
    ),
    "llmbar": Entry(
        facts="labelled_pairs/llmbar_*: gold label 1 or 2 (Zeng et al. 2023).",
        native={
            **dict.fromkeys(("input", "output_1", "output_2"), pl.String),
            "label": pl.Int64,
        },
        layouts={
            "preferences": pair_labelled_responses(
                make_turn("user", pl.col("input")),
                pl.col("output_1"),
                pl.col("output_2"),
                pl.col("label"),
            )
        },
    ),
    "pandalm": Entry(
        facts="labelled_pairs/pandalm_testset_v1: three annotators, 0 for a tie. The majority "
        "decides; three different labels are no label. Six rows have `true` instead of the text of "
        "a response: malformed.",
        native={
            **dict.fromkeys(("instruction", "input", "response1", "response2"), pl.String),
            **dict.fromkeys(("annotator1", "annotator2", "annotator3"), pl.Int64),
        },
        layouts={
            "preferences": pair_labelled_responses(
                PANDA_PROMPT,
                pl.col("response1"),
                pl.col("response2"),
                find_majority(pl.col("annotator1"), pl.col("annotator2"), pl.col("annotator3")),
            ),
            "prompts": to_prompts(PANDA_PROMPT),
        },
    ),
    "judgebench": Entry(
        facts="rm_scores/judgebench_*: the label is objective correctness (Tan et al. 2024). The "
        "reward models' scores are themselves under test and wrong for a third of the pairs, so "
        "they are not used as scores. Files of several judges repeat the pairs (duplicate_pair).",
        native={
            **dict.fromkeys(("question", "response_A", "response_B"), pl.String),
            "label": pl.String,
        },
        layouts={
            "preferences": pair_labelled_responses(
                make_turn("user", pl.col("question")),
                pl.col("response_A"),
                pl.col("response_B"),
                pl.col("label").replace_strict({"A>B": 1, "B>A": 2}, default=None),
            )
        },
    ),
}
