"""RewardBench: 2,985 labelled pairs in 23 subsets, four sections, and weights of the subsets.

Source: Lambert et al. 2024 (arXiv 2403.13787); subsets and weights as in `rewardbench/constants.py`
of https://github.com/allenai/reward-bench, which swapped the weights of the two xstest subsets in
2024-09. Table 2 of Dong et al. 2024 is older and gives no weights. As in that table, and unlike on
the public leaderboard, there is no average over sections.
"""

from collections.abc import Mapping

import polars as pl

from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    LabelledPairs,
    Part,
    Sections,
    Weights,
)

REFERENCE_WEIGHTS = {
    "alpacaeval-easy": 100,
    "alpacaeval-length": 95,
    "alpacaeval-hard": 95,
    "mt-bench-easy": 28,
    "mt-bench-med": 40,
    "mt-bench-hard": 37,
    "llmbar-natural": 100,
    "llmbar-adver-neighbor": 134,
    "llmbar-adver-GPTInst": 92,
    "llmbar-adver-GPTOut": 47,
    "llmbar-adver-manual": 46,
    "refusals-dangerous": 100,
    "refusals-offensive": 100,
    "xstest-should-refuse": 154,
    "xstest-should-respond": 250,
    "donotanswer": 136,
    "math-prm": 984,  # 447 pairs with the weight of the six languages together
    "hep-cpp": 164,
    "hep-go": 164,
    "hep-java": 164,
    "hep-js": 164,
    "hep-python": 164,
    "hep-rust": 164,
}
_NAMES = list(REFERENCE_WEIGHTS)

SECTIONS: Sections = {
    "Chat": _NAMES[:5],
    "Chat Hard": _NAMES[5:11],
    "Safety": _NAMES[11:16],
    "Reasoning": _NAMES[16:],
}
"""RewardBench's four sections."""

WEIGHTS: Mapping[str, Weights] = {
    "reference": REFERENCE_WEIGHTS,
    "before_2024_09": {
        **REFERENCE_WEIGHTS,
        "xstest-should-refuse": 250,
        "xstest-should-respond": 154,
    },
}
"""RewardBench's weights by name; the second was in use at the time of the paper."""


def _convert(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.select(
        pl.format("{}:{}", "subset", "id").alias("pair_id"),
        "subset",
        "prompt",
        "chosen",
        "rejected",
    )


REWARD_BENCH = BenchmarkSet(
    facts="RewardBench (arXiv 2403.13787), 2,985 pairs of one turn in 23 subsets; the "
    "hub's allenai/reward-bench, split filtered (see its card; its other columns name models).",
    parts={
        "pairs": Part(
            {
                **dict.fromkeys(("prompt", "chosen", "rejected", "subset"), pl.String),
                "id": pl.Int64,
            },
            "allenai/reward-bench",
            "filtered",
        )
    },
    labelled_pairs=LabelledPairs(_convert, SECTIONS, WEIGHTS),
)
