"""Argilla's preference sets, rated by GPT-4 with distilabel: three datasets of the paper's Table 1.

Capybara has two entries: the paper's footnote names one hub id, but the authors made their standard
set from another one.
"""

from collections.abc import Sequence

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.source_options import KeptTies, OrcaOptions
from transforms.sources.catalog.generic import make_pair_layouts, to_prompts
from transforms.sources.layouts.comparisons import pair_responses
from transforms.sources.layouts.conversations import make_turn, prepend_system
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.rules import Rule


def _orca_rules(options: OrcaOptions) -> Sequence[Rule]:
    rules = []
    if options.drop_ties:
        rules.append(Rule("tie", pl.col("status") == "tie", pl.lit("status tie")))
    if options.drop_gsm8k_train:
        rules.append(
            Rule("gsm8k_train", pl.col("in_gsm8k_train"), pl.lit("a GSM8K training question"))
        )
    if options.min_chosen_score is not None:
        score = pl.col("chosen_score")
        evidence = pl.format(
            "chosen {}, at least {}",
            score.cast(pl.String).fill_null("none"),
            pl.lit(options.min_chosen_score),
        )
        low = ~(score >= options.min_chosen_score).fill_null(False)
        rules.append(Rule("low_score", low, evidence))
    return rules


ORCA_PROMPT = prepend_system(pl.col("system"), make_turn("user", pl.col("input")))

ENTRIES = {
    "argilla_math": Entry(
        facts="Columns from the card of argilla/distilabel-math-preference-dpo. Table 1 counts "
        "2,418 pairs, as many as the set has rows: the authors only changed the format. The "
        "structural filter still drops equal responses.",
        native={
            "instruction": pl.String,
            "chosen_response": pl.String,
            "chosen_rating": pl.Float64,
            "rejected_response": pl.String,
            "rejected_rating": pl.Float64,
        },
        layouts={
            "preferences": pair_responses(
                make_turn("user", pl.col("instruction")),
                pl.col("chosen_response"),
                pl.col("rejected_response"),
                (pl.col("chosen_rating"), pl.col("rejected_rating")),
            )
        },
        options=KeptTies,
        hub_id="argilla/distilabel-math-preference-dpo",
    ),
    "orca_pairs": Entry(
        facts="Columns from the card of argilla/distilabel-intel-orca-dpo-pairs, a relabelled "
        "Intel/orca_dpo_pairs: chosen is already the better rated response, chosen_score is its "
        "rating, rating has both; status is unchanged, swapped or tie. Table 1 counts 6,926 "
        "pairs; the filter and the treatment of the system prompt are not published.",
        native={
            "system": pl.String,
            "input": pl.String,
            "chosen": pl.String,
            "rejected": pl.String,
            "rating": pl.List(pl.Float64),
            "status": pl.String,
            "chosen_score": pl.Float64,
            "in_gsm8k_train": pl.Boolean,
        },
        layouts={
            "preferences": pair_responses(
                ORCA_PROMPT,
                pl.col("chosen"),
                pl.col("rejected"),
                (pl.col("chosen_score"), pl.col("rating").list.min()),
            ),
            "prompts": to_prompts(ORCA_PROMPT),
        },
        rules=_orca_rules,
        options=OrcaOptions,
        hub_id="argilla/distilabel-intel-orca-dpo-pairs",
    ),
    "capybara": Entry(
        facts="Card of RLHFlow/Capybara-distibalel-Filter-standard: made from this set, in the "
        "standard format, without a further filter; Table 1 counts 14,811 pairs, all of its rows. "
        "The paper's footnote names the other set (capybara_7k).",
        native={
            "chosen": MESSAGES,
            "rejected": MESSAGES,
            "chosen_rating": pl.Int64,
            "rejected_rating": pl.Int64,
        },
        layouts=make_pair_layouts(
            pl.col("chosen"),
            pl.col("rejected"),
            scores=(pl.col("chosen_rating"), pl.col("rejected_rating")),
        ),
        options=KeptTies,
        hub_id="argilla/Capybara-Preferences-Filtered",
    ),
    "capybara_7k": Entry(
        facts="Named in footnote 2 of the paper; it has 7,563 rows, too few for Table 1. In an "
        "older set the authors dropped equal ratings and kept 7,562 rows. Columns from its card.",
        native={
            "chosen": MESSAGES,
            "rejected": MESSAGES,
            "rating_chosen": pl.Int64,
            "rating_rejected": pl.Int64,
        },
        layouts=make_pair_layouts(
            pl.col("chosen"),
            pl.col("rejected"),
            scores=(pl.col("rating_chosen"), pl.col("rating_rejected")),
        ),
        hub_id="argilla/distilabel-capybara-dpo-7k-binarized",
    ),
}
