"""Preference sets labelled by models or checkers: three datasets of Table 1, and Nectar.

Nectar is the dataset of the paper's offline baseline. Not here: sets labelled by people
(`transforms.sources.catalog.human_preferences`), Argilla's sets
(`transforms.sources.catalog.distilabel_preferences`).
"""

from collections.abc import Sequence

import polars as pl

from transforms.settings.source_options import (
    NectarOptions,
    SourceOptions,
    UltraFeedbackOptions,
    UltraInteractOptions,
)
from transforms.sources.catalog.generic import to_demonstrations, to_prompts
from transforms.sources.catalog.human_preferences import HH_MARKERS
from transforms.sources.layouts.comparisons import pair_responses
from transforms.sources.layouts.conversations import (
    append_response,
    drop_open_turn,
    make_turn,
    read_sharegpt,
    split_transcript,
)
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.rules import Rule
from transforms.sources.layouts.scored_responses import pair_all_responses, pair_best_with_worst


def _each(column: str, field: str) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().struct.field(field))


def _ultrafeedback_pairs(raw: pl.DataFrame, options: UltraFeedbackOptions) -> pl.DataFrame:
    layout = pair_all_responses(
        make_turn("user", pl.col("instruction")),
        _each("completions", "response"),
        _each("completions", options.score),
        _each("completions", "model"),
    )
    return layout(raw, options)


def _tree_rules(options: UltraInteractOptions) -> Sequence[Rule]:
    rules = []
    if options.tasks:
        task = pl.col("task").fill_null("none")
        rules.append(Rule("other_task", ~task.is_in(options.tasks), pl.format("task {}", task)))
    if options.max_history_turns is not None:
        turns = pl.col("trajectory").list.len()
        evidence = pl.format("{} turns, at most {}", turns, pl.lit(options.max_history_turns))
        rules.append(Rule("long_history", turns > options.max_history_turns, evidence))
    return rules


def _code_pairs(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
    rated = raw.join(_ratings(raw), on="row_key", how="left", maintain_order="left")
    layout = pair_all_responses(
        make_turn("user", pl.col("instruction")),
        _each("responses", "response"),
        pl.col("ratings"),
        _each("responses", "model"),
    )
    return layout(rated.drop("annotations"), options)


def _ratings(raw: pl.DataFrame) -> pl.DataFrame:
    """Match the ratings to the responses by model: row_key, ratings in the order of responses."""
    responses, annotations = (
        raw.select("row_key", column)
        .filter(pl.col(column).list.len() > 0)
        .explode(column)
        .select("row_key", pl.col(column).struct.unnest())
        for column in ("responses", "annotations")
    )
    last = annotations.unique(["row_key", "model"], keep="last", maintain_order=True)
    found = responses.join(last, on=["row_key", "model"], how="left", maintain_order="left")
    return found.group_by("row_key", maintain_order=True).agg(ratings="rating")


def _nectar_pairs(raw: pl.DataFrame, options: NectarOptions) -> pl.DataFrame:
    compare = pair_all_responses if options.comparisons == "all" else pair_best_with_worst
    rank = pl.element().struct.field("rank")
    layout = compare(
        drop_open_turn(split_transcript("prompt", *HH_MARKERS)),
        _each("answers", "answer"),
        pl.col("answers").list.eval(-rank),
    )
    return layout(raw, options)


INSTRUCTION = to_prompts(make_turn("user", pl.col("instruction")))

ENTRIES = {
    "ultrafeedback": Entry(
        facts="Cui et al. 2023 (arXiv 2310.01377); columns from the example of the "
        "OpenBMB/UltraFeedback repository and from scripts that read the two scores. Rule: card of "
        "RLHFlow/UltraFeedback-preference-standard: all comparisons, by the fine-grained score. "
        "Its script keeps one response per model, the last one. Ties are dropped; this is inferred "
        "from the count: Table 1 has 340,025 pairs of about 64k prompts with four responses each. "
        "The system prompts of the responses are left out, as the script seems to do.",
        native={
            "instruction": pl.String,
            "completions": pl.List(
                pl.Struct(
                    {
                        "model": pl.String,
                        "response": pl.String,
                        "fine-grained_score": pl.Float64,
                        "overall_score": pl.Float64,
                    }
                )
            ),
        },
        layouts={"preferences": _ultrafeedback_pairs, "prompts": INSTRUCTION},
        options=UltraFeedbackOptions,
        hub_id="openbmb/UltraFeedback",
    ),
    "code_ultrafeedback": Entry(
        facts="Weyssow et al. 2024 (arXiv 2403.09032); columns from the dataset card. Rule: card "
        "of RLHFlow/CodeUltraFeedback-standard: all comparisons except ties. Its script compares "
        "ratings as text and checks one model of the row for N/A, so that N/A could win; here "
        "ratings are numbers and N/A drops the pair. Table 1 counts 50,156 pairs; fewer are "
        "expected here. Ratings are matched by model; of equal model names the last counts.",
        native={
            "instruction": pl.String,
            "responses": pl.List(pl.Struct({"model": pl.String, "response": pl.String})),
            "annotations": pl.List(pl.Struct({"model": pl.String, "rating": pl.String})),
        },
        layouts={"preferences": _code_pairs},
        hub_id="coseal/CodeUltraFeedback",
    ),
    "ultrainteract": Entry(
        facts="Yuan et al. 2024 (arXiv 2404.02078); columns from the card of UltraInteract_pair. "
        "trajectory is the conversation before the response; a user turn contains the output of "
        "the environment and the critic. Table 1 counts 161,927 pairs of 219,522 rows; the filter "
        "is not published. The chosen responses can be used as demonstrations; the authors made "
        "UltraInteract_sft for that.",
        native={
            "task": pl.String,
            "trajectory": pl.List(pl.Struct({"from": pl.String, "value": pl.String})),
            "chosen": pl.String,
            "rejected": pl.String,
        },
        layouts={
            "preferences": pair_responses(
                read_sharegpt("trajectory"), pl.col("chosen"), pl.col("rejected")
            ),
            "demonstrations": to_demonstrations(
                append_response(read_sharegpt("trajectory"), pl.col("chosen"))
            ),
            "prompts": to_prompts(read_sharegpt("trajectory")),
        },
        rules=_tree_rules,
        options=UltraInteractOptions,
        hub_id="openbmb/UltraInteract_pair",
    ),
    "nectar": Entry(
        facts="Zhu et al. 2023; columns from the dataset_info of a copy. Seven answers per prompt "
        "(card), the best has rank 1. The prompt is a transcript that ends with an open assistant "
        "turn (seen in code that reads the set). Offline DPO baseline (paper, appendix B): the "
        "paper names the dataset, but not which answers are compared. A score is minus the rank.",
        native={
            "prompt": pl.String,
            "answers": pl.List(pl.Struct({"answer": pl.String, "rank": pl.Float64})),
        },
        layouts={"preferences": _nectar_pairs},
        options=NectarOptions,
        hub_id="berkeley-nest/Nectar",
    ),
}
