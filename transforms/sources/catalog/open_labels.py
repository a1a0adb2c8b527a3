"""Public files whose responses a label tells apart: of two in a row, or of each for itself.

Columns are those of the files, which were read. Not here: sets of more responses
(`transforms.sources.catalog.open_sets`).
"""

import polars as pl

from transforms.lake.schemas.columns import MESSAGES
from transforms.settings.sources import Role
from transforms.sources.catalog.generic import demonstrated, judged, prompted
from transforms.sources.layouts.comparisons import labelled, labelled_conversations, numbered
from transforms.sources.layouts.conversations import (
    exchange,
    instructed,
    json_turns,
    marked_text,
    turn,
)
from transforms.sources.layouts.entry import Entry, Layout
from transforms.sources.layouts.scored_responses import compared_rows

HISTORY = marked_text(pl.lit("\n\n") + pl.col("history"), "\n\nHUMAN:", "\n\nASSISTANT:")
PANDA_PROMPT = turn("user", instructed(pl.col("instruction"), pl.col("input")))
PROMPT = turn("user", pl.col("prompt"))
WINNERS = ("winner_tie", "winner_model_a", "winner_model_b")
"""In the order of the labels 0, 1, 2."""


def verdict_of(desirable: pl.Expr) -> pl.Expr:
    """Verdict of a demonstration that a label may call not desirable."""
    return (
        pl.when(desirable.is_null()).then(pl.lit("no_label"))
        .when(~desirable).then(pl.lit("undesirable"))
    )  # fmt: skip


def majority(first: pl.Expr, second: pl.Expr, third: pl.Expr) -> pl.Expr:
    """Label that two of three annotators agree on; null where no two do."""
    return (
        pl.when((first == second) | (first == third)).then(first)
        .when(second == third).then(second)
    )  # fmt: skip


def marked_winner() -> pl.Expr:
    """Label of three columns of which exactly one is 1 (`WINNERS`)."""
    one = pl.sum_horizontal(WINNERS) == 1
    return pl.coalesce(
        pl.when(one & (pl.col(name) == 1)).then(label) for label, name in enumerate(WINNERS)
    )


def better_of_two() -> dict[Role, Layout]:
    """Layouts of rows with a list of two conversations and one of their scores."""
    conversations, scores = zip(
        *(
            (
                marked_text(
                    pl.col("text").list.get(place, null_on_oob=True), "## Human:", "## Assistant:"
                ),
                pl.col("score").list.get(place, null_on_oob=True),
            )
            for place in (0, 1)
        ),
        strict=True,
    )
    two = (pl.col("text").list.len() == 2) & (pl.col("score").list.len() == 2)
    # equal scores have no label 0 here: the rule of ties then shows them as evidence
    winner = (
        pl.when(two & (scores[0] >= scores[1])).then(1)
        .when(two & (scores[0] < scores[1])).then(2)
    )  # fmt: skip
    return {"preferences": labelled_conversations(*conversations, winner, scores)}


ENTRIES = {
    "hh_in_shp_columns": Entry(
        facts="shp_schema/hh_helpful_test_in_shp_schema: HH-RLHF's helpful test split in the "
        "columns that SHP shares, without scores. labels is 1 where A is preferred. Turns begin at "
        "HUMAN: and ASSISTANT: after an empty line.",
        native={
            **dict.fromkeys(("post_id", "history", "human_ref_A", "human_ref_B"), pl.String),
            "labels": pl.Int64,
        },
        layouts={
            "preferences": labelled(
                HISTORY,
                pl.col("human_ref_A"),
                pl.col("human_ref_B"),
                numbered(1 - pl.col("labels")),
            ),
            "prompts": prompted(HISTORY),
        },
    ),
    "webgpt_lists": Entry(
        facts="text_score_lists/webgpt_test: two whole conversations and two scores, of which the "
        "higher is preferred; 245 of 901 rows are ties. A row of other than two has no label.",
        native={"text": pl.List(pl.String), "score": pl.List(pl.Float64)},
        layouts=better_of_two(),
    ),
    "beavertails_rows": Entry(
        facts="pairs/beavertails_demo: answers labelled one by one, is_safe as 0 or 1 (a boolean "
        "on the hub, from general knowledge). What can be compared is a safe answer with an unsafe "
        "one to the same prompt; two of a kind are a tie. All 51 prompts of the file differ, so it "
        "gives no pair. As demonstrations, the safe answers.",
        native={"prompt": pl.String, "response": pl.String, "is_safe": pl.Int64},
        layouts={
            "preferences": compared_rows(
                "prompt", PROMPT, pl.col("response"), lambda _: pl.col("is_safe")
            ),
            "demonstrations": judged(
                demonstrated(exchange(PROMPT, pl.col("response"))),
                verdict_of(pl.col("is_safe") == 1),
            ),
            "prompts": prompted(PROMPT),
        },
        group_by="prompt",
    ),
    "kto_messages": Entry(
        facts="pairs/kto_en_demo: conversations labelled one by one. Desirable ones are "
        "demonstrations. Only one of its 297 prompts has both labels, so it gives no comparisons.",
        native={"messages": MESSAGES, "label": pl.Boolean},
        layouts={
            "demonstrations": judged(demonstrated(pl.col("messages")), verdict_of(pl.col("label")))
        },
    ),
    "lmsys_arena": Entry(
        facts="pairs/lmsys_arena_49, Kaggle's layout: JSON lists of the user's turns and of each "
        "model's. Two conversations of several turns part at the first answer, so they share no "
        "prompt and the structural filter drops them (prefix_mismatch); the vote is on the whole.",
        native={
            **dict.fromkeys(("prompt", "response_a", "response_b"), pl.String),
            **dict.fromkeys(WINNERS, pl.Int64),
        },
        layouts={
            "preferences": labelled_conversations(
                json_turns("prompt", "response_a"),
                json_turns("prompt", "response_b"),
                marked_winner(),
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
            "preferences": labelled(
                turn("user", pl.col("input")),
                pl.col("output_1"),
                pl.col("output_2"),
                pl.col("label"),
            )
        },
    ),
    "pandalm": Entry(
        facts="labelled_pairs/pandalm_testset_v1: three annotators, 0 for a tie. The label is the "
        "majority's; three different ones are none. Six rows hold `true` where a response should "
        "be text: malformed.",
        native={
            **dict.fromkeys(("instruction", "input", "response1", "response2"), pl.String),
            **dict.fromkeys(("annotator1", "annotator2", "annotator3"), pl.Int64),
        },
        layouts={
            "preferences": labelled(
                PANDA_PROMPT,
                pl.col("response1"),
                pl.col("response2"),
                majority(pl.col("annotator1"), pl.col("annotator2"), pl.col("annotator3")),
            ),
            "prompts": prompted(PANDA_PROMPT),
        },
    ),
    "judgebench": Entry(
        facts="rm_scores/judgebench_*: the label is objective correctness (Tan et al. 2024). The "
        "reward models' scores are judgements under test, wrong for a third of the pairs, so they "
        "are no scores of the pair. Files of several judges repeat the pairs (duplicate_pair).",
        native={
            **dict.fromkeys(("question", "response_A", "response_B"), pl.String),
            "label": pl.String,
        },
        layouts={
            "preferences": labelled(
                turn("user", pl.col("question")),
                pl.col("response_A"),
                pl.col("response_B"),
                pl.col("label").replace_strict({"A>B": 1, "B>A": 2}, default=None),
            )
        },
    ),
}
