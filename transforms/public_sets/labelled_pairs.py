"""LLMBar, JudgeBench and RM-Bench: labelled pairs that rankers are measured on, as RewardBench's.

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
"""LLMBar's folders, and RewardBench's names of them."""

_CELLS = list(product(range(len(STYLES)), repeat=2))

JUDGEBENCH = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")


def _llmbar(raw: pl.DataFrame) -> pl.DataFrame:
    first, second = pl.col("output_1"), pl.col("output_2")
    folder = pl.col("row_key").str.extract(f"({'|'.join(SUBSETS)})")
    return raw.select(
        pair_id="row_key",
        subset=folder.replace_strict(SUBSETS, default=None, return_dtype=pl.String),
        prompt="input",
        chosen=_labelled(pl.col("label"), (1, first), (2, second)),
        rejected=_labelled(pl.col("label"), (1, second), (2, first)),
    )


def _judge_bench(raw: pl.DataFrame) -> pl.DataFrame:
    first, second, label = pl.col("response_A"), pl.col("response_B"), pl.col("label")
    subjects = pl.col("source").str.starts_with("mmlu-pro")
    return raw.select(
        "pair_id",
        subset=pl.when(subjects).then(pl.lit("mmlu-pro")).otherwise("source"),
        prompt="question",
        chosen=_labelled(label, ("A>B", first), ("B>A", second)),
        rejected=_labelled(label, ("A>B", second), ("B>A", first)),
    )


def _labelled(
    label: pl.Expr, one: tuple[int | str, pl.Expr], other: tuple[int | str, pl.Expr]
) -> pl.Expr:
    """Choose a text by the label; null where the label is neither."""
    return pl.when(label == one[0]).then(one[1]).when(label == other[0]).then(other[1])


def _rm_bench(raw: pl.DataFrame) -> pl.DataFrame:
    def styled(column: str, style: int) -> pl.Expr:
        given = pl.col(column)
        return pl.when(given.list.len() == len(STYLES)).then(
            given.list.get(style, null_on_oob=True)
        )

    return pl.concat(
        raw.select(
            pair_id=pl.format("{}#{},{}", "row_key", pl.lit(i), pl.lit(j)),
            subset=pl.lit(style_cell(i, j)),
            prompt="prompt",
            chosen=styled("chosen", i),
            rejected=styled("rejected", j),
        )
        for i, j in _CELLS
    )


def style_cell(chosen: int, rejected: int) -> str:
    """Name a cell of RM-Bench's matrix, by the numbers of the two styles."""
    return f"{STYLES[chosen]} chosen, {STYLES[rejected]} rejected"


LLMBAR = BenchmarkSet(
    facts="LLMBar (arXiv 2310.07641), 419 pairs; https://github.com/princeton-nlp/LLMBar, "
    "Dataset/LLMBar/Natural/dataset.json and Dataset/LLMBar/Adversarial/*/dataset.json. The "
    "subset is taken from the file's or the folder's name, as RewardBench calls it. The "
    "adversarial subsets are averaged alike.",
    parts={
        "pairs": Part(
            {
                **dict.fromkeys(("input", "output_1", "output_2"), pl.String),
                "label": pl.Int64,
            }
        )
    },
    labelled_pairs=LabelledPairs(
        _llmbar,
        sections={
            "Natural": [SUBSETS["Natural"]],
            "Adversarial": [name for folder, name in SUBSETS.items() if folder != "Natural"],
        },
        weights={"equal": dict.fromkeys(SUBSETS.values(), 1.0)},
    ),
)

JUDGE_BENCH = BenchmarkSet(
    facts="JudgeBench (arXiv 2410.12784), 350 pairs of GPT-4o's responses or 270 of Claude's; "
    "https://github.com/ScalerLab/JudgeBench. Split `gpt` of the hub's set. Every pair counts "
    "alike; the authors count a tie as wrong, here it is one half.",
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
        _judge_bench,
        sections={
            "Knowledge": JUDGEBENCH[:1],
            "Reasoning": JUDGEBENCH[1:2],
            "Math": JUDGEBENCH[2:3],
            "Coding": JUDGEBENCH[3:],
            "Overall": JUDGEBENCH,
        },
        weights={"pairs": {}},
    ),
)

RM_BENCH = BenchmarkSet(
    facts="RM-Bench (arXiv 2410.16184), three chosen and three rejected responses per prompt, in "
    "the same three styles; https://github.com/THU-KEG/RM-Bench, data/*_filtered.json. The "
    "subsets are the nine cells of its matrix over all files named; `easy` are the cells whose "
    "chosen response has the richer style, `hard` those whose rejected one has. The authors "
    "average domains, so name one domain's files at a time for their figures.",
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
        _rm_bench,
        sections={
            "easy": [style_cell(i, j) for i, j in _CELLS if i > j],
            "normal": [style_cell(i, j) for i, j in _CELLS if i == j],
            "hard": [style_cell(i, j) for i, j in _CELLS if i < j],
            "average": [style_cell(i, j) for i, j in _CELLS],
        },
        weights={"equal": {style_cell(i, j): 1.0 for i, j in _CELLS}},
    ),
)
