"""Public files of n responses per row: scored, ranked, compared in pairs, or only sampled.

The columns were read from the files. Not here: two responses per row
(`transforms.sources.catalog.open_pairs`, `transforms.sources.catalog.open_labels`).
"""

import polars as pl

from transforms.settings.source_options import MathOptions, StyleOptions
from transforms.sources.catalog.generic import to_prompts
from transforms.sources.catalog.open_prompts import ALPACA_PROMPT
from transforms.sources.layouts.conversations import (
    join_instruction,
    make_turn,
    prepend_system,
    read_history,
)
from transforms.sources.layouts.entry import Entry
from transforms.sources.layouts.response_sets import (
    pair_by_labels,
    pair_chosen_with_rejected,
    pair_ranked_responses,
)
from transforms.sources.layouts.scored_responses import pair_all_responses


def pair_math_answers(raw: pl.DataFrame, options: MathOptions) -> pl.DataFrame:
    """Compare all answers by the score in the options."""
    rewards = pl.col("pred_score").list.eval(pl.element().list.first())
    scores = rewards if options.score == "reward_model" else pl.col("score")
    return pair_all_responses(MATH_PROMPT, pl.col("response"), scores)(raw, options)


OASST_PROMPT = pl.concat_list(read_history("history"), ALPACA_PROMPT)
MATH_PROMPT = prepend_system(pl.col("system"), make_turn("user", pl.col("query")))
PASSAGES = pl.col("passages").list.eval(pl.element().list.slice(1).list.join(" ")).list.join("\n\n")
QA_PROMPT = make_turn("user", join_instruction(pl.col("question"), PASSAGES))
INSTRUCTION = make_turn("user", pl.col("instruction"))
PREDICTIONS = [f"prediction {number}" for number in (1, 2, 3, 4)]
ALPACA = dict.fromkeys(("instruction", "input"), pl.String)
SAMPLES = pl.List(pl.String)

ENTRIES = {
    "oasst_ranked": Entry(
        facts="n_responses/oasst_rm_zh_ranked: output is ranked, the best first. Every pair is "
        "compared, as in InstructGPT; a rank is no score. history is the turns before the prompt.",
        native={**ALPACA, "output": SAMPLES, "history": pl.List(SAMPLES)},
        layouts={
            "preferences": pair_ranked_responses(OASST_PROMPT, pl.col("output")),
            "prompts": to_prompts(OASST_PROMPT),
        },
    ),
    "qa_feedback": Entry(
        facts="n_responses/qa_feedback_4way_human_250: labels (0 tie, 1, 2) of the pairs of four "
        "answers in the order 12, 13, 14, 23, 24, 34. The order is inferred: it gives the fewest "
        "circular preferences (26; the next order gives 236). The prompt is the question and the "
        "passages on which the answers are based, without their titles.",
        native={
            "question": pl.String,
            "passages": pl.List(SAMPLES),
            **dict.fromkeys(PREDICTIONS, pl.String),
            "preference": pl.List(pl.Int64),
        },
        layouts={
            "preferences": pair_by_labels(
                QA_PROMPT, pl.concat_list(PREDICTIONS), pl.col("preference")
            ),
            "prompts": to_prompts(QA_PROMPT),
        },
    ),
    "math_rewards": Entry(
        facts="n_responses/math_n8_rm_scores_50: eight answers per problem, with a reward model's "
        "score and the correctness of each. The system text asks to reason step by step; the "
        "option system_turn folds it, removes it or drops the row.",
        native={
            **dict.fromkeys(("system", "query"), pl.String),
            "response": SAMPLES,
            "pred_score": pl.List(pl.List(pl.Float64)),
            "score": pl.List(pl.Boolean),
        },
        layouts={"preferences": pair_math_answers, "prompts": to_prompts(MATH_PROMPT)},
        options=MathOptions,
    ),
    "tulu2_samples": Entry(
        facts="n_responses/tulu2_dpo13b_n16_alpacaeval_400: 16 samples per prompt, GPT-4 Turbo's "
        "preference over a reference (1 reference, 2 sample) for the first eleven. By this score "
        "the samples are compared with each other, not with the reference; a pair with an unjudged "
        "sample is dropped (missing_score). The option min_margin drops near ties. The prompts are "
        "AlpacaEval's: as a source of prompts, they need decontamination.",
        native={
            "instruction": pl.String,
            "responses": SAMPLES,
            "gpt4turbo_preference_vs_reference": pl.List(pl.Float64),
        },
        layouts={
            "preferences": pair_all_responses(
                INSTRUCTION, pl.col("responses"), pl.col("gpt4turbo_preference_vs_reference")
            ),
            "prompts": to_prompts(INSTRUCTION),
        },
    ),
    "alpaca_multisamples": Entry(
        facts="n_responses/alpaca_farm_multisamples_sft: samples without scores, so only their "
        "prompts are used.",
        native=ALPACA,
        layouts={"prompts": to_prompts(ALPACA_PROMPT)},
    ),
    "rm_bench": Entry(
        facts="rm_bench/*: three chosen and three rejected responses, each in three styles in the "
        "same order (Liu et al. 2024).",
        native={"prompt": pl.String, "chosen": SAMPLES, "rejected": SAMPLES},
        layouts={
            "preferences": pair_chosen_with_rejected(
                make_turn("user", pl.col("prompt")),
                pl.col("chosen"),
                pl.col("rejected"),
                crossed=lambda options: options.styles == "all",
            )
        },
        options=StyleOptions,
    ),
}
