"""The benchmarks of Table 4, which a judge scores: the parts of their data.

Lives here: what is known of each, as data. Not here: its rules (`transforms.benchmarks.judged`),
the other benchmarks and the reading of a part (`transforms.benchmarks.sets`).

A part `judge_prompt` or `judge_prompts` is the benchmark's published template; without it the judge
is asked in our own words (`training/judging/rubric_files/benchmarks`), and scores compare with one
another only.
"""

import polars as pl

from transforms.benchmarks.part import BenchmarkSet, Part

OUTPUTS = dict.fromkeys(("instruction", "output", "generator"), pl.String)

DIFFICULTIES = {"instruction_sha256": pl.String, "instruction_difficulty_estimate": pl.Float64}

CONTENT = pl.List(pl.Struct({"content": pl.String}))
"""Turns of Arena-Hard 0.1."""

JUDGED_SETS = {
    "alpaca_eval": BenchmarkSet(
        facts="AlpacaEval 2 (length control: arXiv 2404.04475), 805 instructions with the "
        "baseline's outputs; https://github.com/tatsu-lab/alpaca_eval, "
        "results/gpt4_1106_preview/model_outputs.json. `difficulties` names instructions by the "
        "SHA-256 of their text.",
        parts={
            "baseline": Part(OUTPUTS),
            "difficulties": Part(DIFFICULTIES),
            "judge_prompt": Part({}),
        },
        needs=("baseline",),
        metric="length_controlled_win_rate",
    ),
    "mt_bench": BenchmarkSet(
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
        needs=("questions",),
        metric="score",
    ),
    "arena_hard": BenchmarkSet(
        facts="Arena-Hard 0.1 (arXiv 2406.11939), 500 questions; "
        "https://github.com/lm-sys/arena-hard-auto, data/arena-hard-v0.1: question.jsonl and "
        "model_answer/gpt-4-0314.jsonl; config/judge_config.yaml.",
        parts={
            "questions": Part({"question_id": pl.String, "turns": CONTENT}),
            "baseline": Part(
                {"question_id": pl.String, "choices": pl.List(pl.Struct({"turns": CONTENT}))}
            ),
            "judge_prompt": Part({}),
        },
        needs=("questions",),
        metric="win_rate",
    ),
    "arena_hard_v2": BenchmarkSet(
        facts="Arena-Hard 2.0, 500 hard prompts and 250 of creative writing, category by category; "
        "https://github.com/lm-sys/arena-hard-auto. `baseline` is one object a line with uid and "
        "answer: the published files hold text and objects in one column; `jq -c '{uid, answer: "
        ".messages[-1].content.answer}'` makes them so.",
        parts={
            "questions": Part(dict.fromkeys(("uid", "category", "prompt"), pl.String)),
            "baseline": Part(dict.fromkeys(("uid", "answer"), pl.String)),
            "judge_prompt": Part({}),
        },
        needs=("questions",),
        metric="win_rate",
    ),
}
