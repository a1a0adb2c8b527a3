"""Sets of labelled pairs that reward models are measured on: native columns, pairs, sections.

Lives here: what is known of each set, as data. Not here: reading
(`transforms.benchmarks.reward_bench.pairs`), statistics
(`transforms.benchmarks.reward_bench.results`), scoring.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import polars as pl

from transforms.benchmarks.reward_bench.sections import SECTIONS, WEIGHTS, Sections, Weights
from transforms.sources.files.reading import ROW_KEY

STYLES = ("concise", "detailed", "markdown")
"""RM-Bench's styles, in the order of its lists: short, long as plain text, long with markdown."""

LLMBAR = {
    "Natural": "llmbar-natural",
    "Neighbor": "llmbar-adver-neighbor",
    "GPTInst": "llmbar-adver-GPTInst",
    "GPTOut": "llmbar-adver-GPTOut",
    "Manual": "llmbar-adver-manual",
}
"""LLMBar's folders, and RewardBench's names of them."""

_CELLS = list(product(range(len(STYLES)), repeat=2))

JUDGEBENCH = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")


@dataclass(frozen=True)
class BenchSet:
    """One set of labelled pairs, in the layout in which its authors publish it."""

    facts: str
    """Where the set and its layout are from."""
    native: Mapping[str, pl.DataType | type[pl.DataType]]
    """Native columns that are read, with types."""
    pairs: Callable[[pl.DataFrame], pl.DataFrame]
    """Native rows and `row_key` to pair_id, subset, prompt, chosen, rejected (all text)."""
    sections: Sections
    """Subsets of each section."""
    weights: Mapping[str, Weights]
    """Weights of the subsets within a section, by name."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null where it has other columns, or was not looked at."""
    hub_split: str = "test"
    """Split of the hub dataset."""


def _reward_bench(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.select(
        pl.format("{}:{}", "subset", "id").alias("pair_id"),
        "subset",
        "prompt",
        "chosen",
        "rejected",
    )


def _llmbar(raw: pl.DataFrame) -> pl.DataFrame:
    first, second = pl.col("output_1"), pl.col("output_2")
    folder = pl.col(ROW_KEY).str.extract(f"({'|'.join(LLMBAR)})")
    return raw.select(
        pair_id=ROW_KEY,
        subset=folder.replace_strict(LLMBAR, default=None, return_dtype=pl.String),
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
            pair_id=pl.format("{}#{},{}", ROW_KEY, pl.lit(i), pl.lit(j)),
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


BENCH_SETS = {
    "reward_bench": BenchSet(
        facts="RewardBench (arXiv 2403.13787), 2,985 pairs of one turn in 23 subsets; card of the "
        "hub's allenai/reward-bench, split filtered, whose other columns name the models.",
        native={
            **dict.fromkeys(("prompt", "chosen", "rejected", "subset"), pl.String),
            "id": pl.Int64,
        },
        pairs=_reward_bench,
        sections=SECTIONS,
        weights=WEIGHTS,
        hub_id="allenai/reward-bench",
        hub_split="filtered",
    ),
    "llmbar": BenchSet(
        facts="LLMBar (arXiv 2310.07641), 419 pairs; https://github.com/princeton-nlp/LLMBar, "
        "Dataset/LLMBar/Natural/dataset.json and Dataset/LLMBar/Adversarial/*/dataset.json. The "
        "subset is taken from the file's or the folder's name, as RewardBench calls it. The "
        "adversarial subsets are averaged alike.",
        native={
            **dict.fromkeys(("input", "output_1", "output_2"), pl.String),
            "label": pl.Int64,
        },
        pairs=_llmbar,
        sections={
            "Natural": [LLMBAR["Natural"]],
            "Adversarial": [name for folder, name in LLMBAR.items() if folder != "Natural"],
        },
        weights={"equal": dict.fromkeys(LLMBAR.values(), 1.0)},
    ),
    "judge_bench": BenchSet(
        facts="JudgeBench (arXiv 2410.12784), 350 pairs of GPT-4o's responses or 270 of Claude's; "
        "https://github.com/ScalerLab/JudgeBench. Split `gpt` of the hub's set. Every pair counts "
        "alike; the authors count a tie as wrong, here it is one half.",
        native=dict.fromkeys(
            ("pair_id", "source", "question", "response_A", "response_B", "label"), pl.String
        ),
        pairs=_judge_bench,
        sections={
            "Knowledge": JUDGEBENCH[:1],
            "Reasoning": JUDGEBENCH[1:2],
            "Math": JUDGEBENCH[2:3],
            "Coding": JUDGEBENCH[3:],
            "Overall": JUDGEBENCH,
        },
        weights={"pairs": {}},
        hub_id="ScalerLab/JudgeBench",
        hub_split="gpt",
    ),
    "rm_bench": BenchSet(
        facts="RM-Bench (arXiv 2410.16184), three chosen and three rejected responses a prompt, in "
        "the same three styles; https://github.com/THU-KEG/RM-Bench, data/*_filtered.json. The "
        "subsets are the nine cells of its matrix over all files named; `easy` are the cells whose "
        "chosen response has the richer style, `hard` those whose rejected one has. The authors "
        "average domains, so name one domain's files at a time for their figures.",
        native={
            "prompt": pl.String,
            "chosen": pl.List(pl.String),
            "rejected": pl.List(pl.String),
        },
        pairs=_rm_bench,
        sections={
            "easy": [style_cell(i, j) for i, j in _CELLS if i > j],
            "normal": [style_cell(i, j) for i, j in _CELLS if i == j],
            "hard": [style_cell(i, j) for i, j in _CELLS if i < j],
            "average": [style_cell(i, j) for i, j in _CELLS],
        },
        weights={"equal": {style_cell(i, j): 1.0 for i, j in _CELLS}},
    ),
}
