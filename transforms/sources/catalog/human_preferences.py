"""Preference sets labelled by people: four datasets of the paper's Table 1, and Mix1's summaries.

Not here: sets that models labelled (`transforms.sources.catalog.model_preferences`,
`transforms.sources.catalog.distilabel_preferences`).
"""

from collections.abc import Sequence
from typing import get_args

import polars as pl

from transforms.settings.source_options import Attribute, HelpSteerOptions, PKUOptions, SHPOptions
from transforms.sources.catalog.generic import make_pair_layouts, to_prompts
from transforms.sources.layouts.comparisons import label_from_index, pair_labelled_responses
from transforms.sources.layouts.conversations import make_turn, split_transcript
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.rules import Rule
from transforms.sources.layouts.scored_responses import pair_rows

HH_MARKERS = ("\n\nHuman:", "\n\nAssistant:")


def _vote_rules(options: SHPOptions) -> Sequence[Rule]:
    ratio = pl.col("score_ratio")
    # polars puts NaN above every number
    enough = (ratio > options.score_ratio_above) & ratio.is_not_nan()
    evidence = pl.format(
        "score ratio {}, not above {}",
        ratio.cast(pl.String).fill_null("none"),
        pl.lit(options.score_ratio_above),
    )
    return [Rule("score_ratio", ~enough.fill_null(False), evidence)]


def _mean_attribute(options: HelpSteerOptions) -> pl.Expr:
    chosen = options.score_attributes
    return sum((pl.col(name) for name in chosen), pl.lit(0.0)) / len(chosen)


def _pku_pairs(raw: pl.DataFrame, options: PKUOptions) -> pl.DataFrame:
    layout = pair_labelled_responses(
        make_turn("user", pl.col("prompt")),
        pl.col("response_0"),
        pl.col("response_1"),
        label_from_index(pl.col(f"{options.label}_response_id")),
    )
    return layout(raw, options)


def _dispute_rules(options: PKUOptions) -> Sequence[Rule]:
    if not options.drop_disputed:
        return []
    labels = [pl.col("safer_response_id"), pl.col("better_response_id")]
    evidence = pl.format("response {} is safer, response {} is better", *labels)
    return [Rule("disputed_label", labels[0] != labels[1], evidence)]


def _post() -> pl.Expr:
    info = pl.col("info").struct
    return pl.format(
        "SUBREDDIT: r/{}\n\nTITLE: {}\n\nPOST: {}\n\nTL;DR:",
        *(info.field(name) for name in ("subreddit", "title", "post")),
    )


def _summary(number: int) -> pl.Expr:
    text = pl.col("summaries").list.get(number, null_on_oob=True).struct.field("text")
    return text.str.strip_chars()


ENTRIES = {
    "hh_rlhf": Entry(
        facts="Bai et al. 2022 (arXiv 2204.05862); columns and markers as in the files of the "
        "anthropics/hh-rlhf repository. The card of RLHFlow/HH-RLHF-Helpful-standard has the "
        "structural filter and no other rule. Table 1 counts 115,396 pairs; the three folders "
        "should have 118,263 rows (not checked here). harmless-base is left out, as the card "
        "states; the paper does not mention it.",
        native={"chosen": pl.String, "rejected": pl.String},
        layouts=make_pair_layouts(
            *(split_transcript(side, *HH_MARKERS) for side in ("chosen", "rejected"))
        ),
        hub_id="Anthropic/hh-rlhf",
        hub_dirs=("helpful-base", "helpful-online", "helpful-rejection-sampled"),
    ),
    "shp": Entry(
        facts="Ethayarajh et al. 2022; columns from the example row of the dataset card. history "
        "is a Reddit post; labels is 1 if comment A is preferred (it has more votes), and 0 if B "
        "is. Rules: paper, section 2.1. "
        "Table 1 counts 93,301 pairs of 348,718 rows. An older set of the authors has the same "
        "description and 109,526 pairs; the difference is not explained. The limit of pairs is per "
        "text of a post: equal posts with two ids are one prompt.",
        native={
            "history": pl.String,
            "human_ref_A": pl.String,
            "human_ref_B": pl.String,
            "labels": pl.Int64,
            "score_A": pl.Int64,
            "score_B": pl.Int64,
            "score_ratio": pl.Float64,
        },
        layouts={
            "preferences": pair_labelled_responses(
                make_turn("user", pl.col("history")),
                pl.col("human_ref_A"),
                pl.col("human_ref_B"),
                label_from_index(1 - pl.col("labels")),
                (pl.col("score_A"), pl.col("score_B")),
            )
        },
        rules=_vote_rules,
        options=SHPOptions,
        group_by="history",
        hub_id="stanfordnlp/SHP",
    ),
    "helpsteer": Entry(
        facts="Wang et al. 2023 (arXiv 2311.09528); columns from the dataset card: one response "
        "per row, five attributes from 0 to 4. All pairs of a prompt's responses except ties. "
        "Table 1 counts 37,131 pairs; the script is not published. It is not known whether the "
        "authors used the 1,789 validation rows besides the 35,331 of train. Here only train is "
        "read; hub_split train+validation reads both.",
        native={
            "prompt": pl.String,
            "response": pl.String,
            **dict.fromkeys(get_args(Attribute), pl.Int32),
        },
        layouts={
            "preferences": pair_rows(
                "prompt", make_turn("user", pl.col("prompt")), pl.col("response"), _mean_attribute
            ),
            "prompts": to_prompts(make_turn("user", pl.col("prompt"))),
        },
        options=HelpSteerOptions,
        group_by="prompt",
        hub_id="nvidia/HelpSteer",
    ),
    "pku_saferlhf_30k": Entry(
        facts="Ji et al. 2024, as cited by the paper. Columns as in rows of PKU-SafeRLHF, the "
        "larger set; the rows of this set were not seen. Table 1 counts 26,874 pairs and the hub's "
        "page 26.9k rows of train, so it seems that nothing was filtered. The paper states that "
        "the labels of helpfulness and safety are merged, but not how.",
        native={
            "prompt": pl.String,
            "response_0": pl.String,
            "response_1": pl.String,
            "better_response_id": pl.Int64,
            "safer_response_id": pl.Int64,
        },
        layouts={"preferences": _pku_pairs},
        rules=_dispute_rules,
        options=PKUOptions,
        hub_id="PKU-Alignment/PKU-SafeRLHF-30K",
    ),
    "summarize_comparisons": Entry(
        facts="Stiennon et al. 2020 (arXiv 2009.01325), in Mix1 (paper, section 2.3). Columns from "
        "cards of copies; choice is the number of the preferred summary. The prompt is the query "
        "of the openai/summarize-from-feedback repository; the prompt of Mix1 is not published. "
        "Summaries begin with a space, which is stripped. News articles (part of the validation "
        "split) have no post and are dropped. The main branch on the hub has a loading script, "
        "which the library datasets no longer runs: use a revision of its branch "
        "refs/convert/parquet.",
        native={
            "info": pl.Struct({"post": pl.String, "title": pl.String, "subreddit": pl.String}),
            "summaries": pl.List(pl.Struct({"text": pl.String})),
            "choice": pl.Int32,
        },
        layouts={
            "preferences": pair_labelled_responses(
                make_turn("user", _post()),
                _summary(0),
                _summary(1),
                label_from_index(pl.col("choice")),
            )
        },
        hub_id="openai/summarize_from_feedback",
        hub_dirs=("comparisons",),
    ),
}
