"""AlpacaEval 2, MT-Bench and Arena-Hard: questions whose answers a judge scores (Table 4).

Not here: the rules of each (`transforms.benchmarks.judged`). A part `judge_prompt` or
`judge_prompts` is the benchmark's published template. Without it the judge gets our own template
(`training/judging/rubric_files/benchmarks`); its scores are comparable with each other only, not
with published ones.
"""

import polars as pl

from transforms.public_sets.benchmark_set import BenchmarkSet, Column, Part, Screening, wrap_in_list

OUTPUTS = dict.fromkeys(("instruction", "output", "generator"), pl.String)

DIFFICULTIES = {"instruction_sha256": pl.String, "instruction_difficulty_estimate": pl.Float64}

NUMBERED_DIFFICULTIES = {"index": pl.Int64, "": pl.Int64, "instruction_difficulty": pl.Float64}
"""Columns of alpaca_eval's instruction_difficulty.csv and df_gamed.csv; the number of the
instruction, from 0, has one of the two names."""

GAMED_BASELINES = {
    "model": pl.String,
    **dict.fromkeys(("preference", "std_delta_len", "instruction_difficulty"), pl.Float64),
}
"""Columns of alpaca_eval's df_gamed.csv."""

CONTENT = pl.List(pl.Struct({"content": pl.String}))
"""Turns of Arena-Hard 0.1."""

ALPACA_EVAL = BenchmarkSet(
    facts="AlpacaEval 2 (length control: arXiv 2404.04475), 805 instructions with the baseline's "
    "outputs, a JSON array; https://github.com/tatsu-lab/alpaca_eval, "
    "results/gpt4_1106_preview/model_outputs.json. Items have no id: screening uses the row key. "
    "`difficulties` and `gamed_baselines` are df_gamed.csv of the hub's tatsu-lab/alpaca_eval; "
    "`difficulties` may also identify instructions by the SHA-256 of their text.",
    parts={
        "baseline": Part(OUTPUTS),
        "difficulties": Part(
            {**DIFFICULTIES, **NUMBERED_DIFFICULTIES},
            optional=(*DIFFICULTIES, *NUMBERED_DIFFICULTIES),
        ),
        "gamed_baselines": Part(GAMED_BASELINES),
        "judge_prompt": Part({}),
    },
    needs=(("baseline",),),
    metric="length_controlled_win_rate",
    screening=Screening("baseline", wrap_in_list("instruction"), pl.col("row_key")),
    judge_rules="alpaca_eval",
    columns=(Column("alpaca_eval_lc", "LC AlpacaEval 2", ("chat_benchmarks", "ablations")),),
)

MT_BENCH = BenchmarkSet(
    facts="MT-Bench (arXiv 2306.05685), 80 questions of two turns; "
    "https://github.com/lm-sys/FastChat, fastchat/llm_judge/data: mt_bench/question.jsonl, "
    "mt_bench/reference_answer/gpt-4.jsonl, judge_prompts.jsonl.",
    parts={
        "questions": Part(
            {"question_id": pl.Int64, "category": pl.String, "turns": pl.List(pl.String)}
        ),
        "references": Part(
            {
                "question_id": pl.Int64,
                "choices": pl.List(pl.Struct({"turns": pl.List(pl.String)})),
            }
        ),
        "judge_prompts": Part(
            dict.fromkeys(("name", "system_prompt", "prompt_template"), pl.String)
        ),
    },
    needs=(("questions",), ("references",)),
    metric="score",
    screening=Screening("questions", pl.col("turns"), pl.col("question_id").cast(pl.String)),
    judge_rules="mt_bench",
    columns=(
        Column("mt_bench", "MT-Bench", ("chat_benchmarks",), unit="1 to 10", decimals=2, scale=5),
    ),
)

ARENA_HARD = BenchmarkSet(
    facts="Arena-Hard 0.1 (arXiv 2406.11939), 500 questions of one turn; "
    "https://github.com/lm-sys/arena-hard-auto, data/arena-hard-v0.1: question.jsonl and "
    "model_answer/gpt-4-0314.jsonl; config/judge_config.yaml.",
    parts={
        "questions": Part({"question_id": pl.String, "turns": CONTENT}),
        "baseline": Part(
            {"question_id": pl.String, "choices": pl.List(pl.Struct({"turns": CONTENT}))}
        ),
        "judge_prompt": Part({}),
    },
    needs=(("questions",), ("baseline",)),
    metric="win_rate",
    screening=Screening(
        "questions",
        pl.col("turns").list.eval(pl.element().struct.field("content")),
        pl.col("question_id"),
    ),
    judge_rules="arena_hard",
    columns=(
        Column("arena_hard", "Arena-Hard", ("chat_benchmarks", "ablations")),
        Column(
            "response_length",
            "response length",
            ("ablations",),
            metric="response_chars",
            unit="characters",
            decimals=0,
        ),
    ),
)

ARENA_HARD_V2 = BenchmarkSet(
    facts="Arena-Hard 2.0, 500 hard prompts and 250 of creative writing, many not English, "
    "category by category; https://github.com/lm-sys/arena-hard-auto, data/arena-hard-v2.0. "
    "`baseline` is one object per line with uid and answer: the published files hold text and "
    "objects in one column; `jq -c '{uid, answer: .messages[-1].content.answer}'` converts them.",
    parts={
        "questions": Part(dict.fromkeys(("uid", "category", "prompt"), pl.String)),
        "baseline": Part(dict.fromkeys(("uid", "answer"), pl.String)),
        "judge_prompt": Part({}),
    },
    needs=(("questions",), ("baseline",)),
    metric="win_rate",
    screening=Screening("questions", wrap_in_list("prompt"), pl.col("uid")),
    judge_rules="arena_hard",
)
