"""LLMBar, JudgeBench and RM-Bench: labelled pairs that rankers are measured on.

Not here: RewardBench (`transforms.public_sets.reward_bench`), statistics
(`transforms.benchmarks.reward_bench`).
"""

from itertools import product

import polars as pl

from transforms.public_sets.benchmark_set import BenchmarkSet, LabelledPairs, Part

STYLES = ("concise", "detailed", "markdown")
"""RM-Bench's styles, in the order of its lists: short, long as plain text, long with markdown."""

SUBSETS = {
    "Natural": "llmbar-natural",
    "Neighbor": "llmbar-adver-neighbor",
    "GPTInst": "llmbar-adver-GPTInst",
    "GPTOut": "llmbar-adver-GPTOut",
    "Manual": "llmbar-adver-manual",
}
"""RewardBench's name of each folder of LLMBar."""

_CELLS = list(product(range(len(STYLES)), repeat=2))
"""RM-Bench's cells: number of the chosen style, number of the rejected one."""

JUDGE_BENCH_SUBSETS = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")


def _convert_llmbar(raw: pl.DataFrame) -> pl.DataFrame:
    first, second = pl.col("output_1"), pl.col("output_2")
    folder = pl.col("row_key").str.extract(f"({'|'.join(SUBSETS)})")
    return raw.select(
        pair_id="row_key",
        subset=folder.replace_strict(SUBSETS, default=None, return_dtype=pl.String),
        prompt="input",
        chosen=_select_by_label(pl.col("label"), (1, first), (2, second)),
        rejected=_select_by_label(pl.col("label"), (1, second), (2, first)),
    )


def _convert_judge_bench(raw: pl.DataFrame) -> pl.DataFrame:
    first, second, label = pl.col("response_A"), pl.col("response_B"), pl.col("label")
    subjects = pl.col("source").str.starts_with("mmlu-pro")
    return raw.select(
        "pair_id",
        subset=pl.when(subjects).then(pl.lit("mmlu-pro")).otherwise("source"),
        prompt="question",
        chosen=_select_by_label(label, ("A>B", first), ("B>A", second)),
        rejected=_select_by_label(label, ("A>B", second), ("B>A", first)),
    )


def _select_by_label(
    label: pl.Expr, one: tuple[int | str, pl.Expr], other: tuple[int | str, pl.Expr]
) -> pl.Expr:
    """Select a text by the label; null for any other label."""
    return pl.when(label == one[0]).then(one[1]).when(label == other[0]).then(other[1])


def _convert_rm_bench(raw: pl.DataFrame) -> pl.DataFrame:
    def select_style(column: str, style: int) -> pl.Expr:
        texts = pl.col(column)
        return pl.when(texts.list.len() == len(STYLES)).then(
            texts.list.get(style, null_on_oob=True)
        )

    return pl.concat(
        raw.select(
            pair_id=pl.format("{}#{},{}", "row_key", pl.lit(i), pl.lit(j)),
            subset=pl.lit(format_style_cell(i, j)),
            prompt="prompt",
            chosen=select_style("chosen", i),
            rejected=select_style("rejected", j),
        )
        for i, j in _CELLS
    )


def format_style_cell(chosen: int, rejected: int) -> str:
    """Return the name of a cell of RM-Bench's matrix, by the numbers of its two styles."""
    return f"{STYLES[chosen]} chosen, {STYLES[rejected]} rejected"


LLMBAR = BenchmarkSet(
    facts="LLMBar (arXiv 2310.07641), 419 pairs; https://github.com/princeton-nlp/LLMBar, "
    "Dataset/LLMBar/Natural/dataset.json and Dataset/LLMBar/Adversarial/*/dataset.json. The "
    "subset comes from the name of the file or folder and has RewardBench's name. The adversarial "
    "subsets have equal weights.",
    parts={
        "pairs": Part(
            {
                **dict.fromkeys(("input", "output_1", "output_2"), pl.String),
                "label": pl.Int64,
            }
        )
    },
    labelled_pairs=LabelledPairs(
        _convert_llmbar,
        sections={
            "Natural": [SUBSETS["Natural"]],
            "Adversarial": [name for folder, name in SUBSETS.items() if folder != "Natural"],
        },
        weights={"equal": dict.fromkeys(SUBSETS.values(), 1.0)},
    ),
)

JUDGE_BENCH = BenchmarkSet(
    facts="JudgeBench (arXiv 2410.12784), 350 pairs of GPT-4o's responses or 270 of Claude's; "
    "https://github.com/ScalerLab/JudgeBench. Split `gpt` of the hub's set. All pairs have "
    "equal weight. The authors count a tie as wrong; here it counts one half.",
    parts={
        "pairs": Part(
            dict.fromkeys(
                ("pair_id", "source", "question", "response_A", "response_B", "label"), pl.String
            ),
            "ScalerLab/JudgeBench",
            "gpt",
        )
    },
    labelled_pairs=LabelledPairs(
        _convert_judge_bench,
        sections={
            "Knowledge": JUDGE_BENCH_SUBSETS[:1],
            "Reasoning": JUDGE_BENCH_SUBSETS[1:2],
            "Math": JUDGE_BENCH_SUBSETS[2:3],
            "Coding": JUDGE_BENCH_SUBSETS[3:],
            "Overall": JUDGE_BENCH_SUBSETS,
        },
        weights={"pairs": {}},
    ),
)

RM_BENCH = BenchmarkSet(
    facts="RM-Bench (arXiv 2410.16184), three chosen and three rejected responses per prompt, in "
    "the same three styles; https://github.com/THU-KEG/RM-Bench, data/*_filtered.json. The "
    "subsets are the nine cells of its matrix, over all files in the recipe. In `easy` cells the "
    "chosen response has the richer style, in `hard` cells the rejected one. The authors average "
    "over domains: for their figures, use the files of one domain at a time.",
    parts={
        "pairs": Part(
            {
                "prompt": pl.String,
                "chosen": pl.List(pl.String),
                "rejected": pl.List(pl.String),
            }
        )
    },
    labelled_pairs=LabelledPairs(
        _convert_rm_bench,
        sections={
            "easy": [format_style_cell(i, j) for i, j in _CELLS if i > j],
            "normal": [format_style_cell(i, j) for i, j in _CELLS if i == j],
            "hard": [format_style_cell(i, j) for i, j in _CELLS if i < j],
            "average": [format_style_cell(i, j) for i, j in _CELLS],
        },
        weights={"equal": {format_style_cell(i, j): 1.0 for i, j in _CELLS}},
    ),
)
