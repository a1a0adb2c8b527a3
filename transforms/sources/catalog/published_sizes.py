"""Published sizes of hub datasets, to plan a study before anything is downloaded.

Pairs and mean tokens are those of the paper's Table 1: after the authors' filters, with the
tokenizer of LLaMA-3-8B. Rows are those of the dataset's page on the Hugging Face hub (November
2026), before any filter; the page rounds them to three digits. The plan
counts cited sizes as assumed. Not here: rules and columns (the other files of this package).
"""

from collections.abc import Mapping
from dataclasses import dataclass

TABLE_1 = "paper, Table 1"
HUB = "the dataset's page on the hub"
CITED = "as commonly cited, not read on the dataset's page"


@dataclass(frozen=True)
class PublishedSize:
    """Size of a dataset, as its authors or the hub publish it."""

    rows: int
    """Pairs, or demonstrations."""
    source: str = HUB
    prompts: int | None = None
    """Different prompts."""
    prompt_tokens: float | None = None
    """Mean tokens of a pair's prompt."""
    response_tokens: float | None = None
    """Mean tokens of a pair's two responses together."""


def _table_1(
    pairs: int, prompts: int, prompt: float, chosen: float, rejected: float
) -> PublishedSize:
    return PublishedSize(pairs, TABLE_1, prompts, prompt, chosen + rejected)


PUBLISHED: Mapping[str, PublishedSize] = {
    "Anthropic/hh-rlhf": _table_1(115396, 115092, 160.4, 82.2, 73.6),
    "stanfordnlp/SHP": _table_1(93301, 31003, 186.2, 173.6, 88.8),
    "nvidia/HelpSteer": _table_1(37131, 8592, 530, 116.4, 89.3),
    "PKU-Alignment/PKU-SafeRLHF-30K": _table_1(26874, 6975, 21.5, 70.4, 74.6),
    "openbmb/UltraFeedback": _table_1(340025, 63591, 161.5, 279.5, 211.1),
    "openbmb/UltraInteract_pair": _table_1(161927, 76086, 507.4, 396.6, 416.7),
    "coseal/CodeUltraFeedback": _table_1(50156, 9938, 172.8, 427.6, 400.6),
    "argilla/distilabel-math-preference-dpo": _table_1(2418, 2352, 36.5, 276.5, 265.3),
    "argilla/distilabel-intel-orca-dpo-pairs": _table_1(6926, 6791, 153.3, 165.4, 260.5),
    "argilla/Capybara-Preferences-Filtered": _table_1(14811, 14740, 634.5, 348.4, 401.9),
    "hendrydong/preference_700K": PublishedSize(700_000),
    "berkeley-nest/Nectar": PublishedSize(183_000, prompts=183_000),
    "openai/summarize_from_feedback": PublishedSize(92_858, CITED),
    "WizardLM/WizardLM_evol_instruct_V2_196k": PublishedSize(143_000),
    "Open-Orca/SlimOrca": PublishedSize(518_000),
    "TIGER-Lab/MathInstruct": PublishedSize(262_000),
    "ise-uiuc/Magicoder-Evol-Instruct-110K": PublishedSize(111_000),
    "teknium/GPT4-LLM-Cleaned": PublishedSize(54_600, CITED),
    "microsoft/orca-math-word-problems-200k": PublishedSize(200_000),
    "teknium/GPTeacher-General-Instruct": PublishedSize(89_300),
    "openbmb/UltraInteract_sft": PublishedSize(288_579),
    "RLHFlow/RLHFlow-SFT-Dataset-ver2": PublishedSize(2_320_000),
}
"""Sizes by hub id."""


def mean_pair_tokens() -> tuple[float, float]:
    """Return the mean tokens of prompt and of both responses over all pairs of Table 1."""
    sizes = [size for size in PUBLISHED.values() if size.prompt_tokens is not None]
    pairs = sum(size.rows for size in sizes)
    prompt = sum(size.rows * (size.prompt_tokens or 0) for size in sizes) / pairs
    responses = sum(size.rows * (size.response_tokens or 0) for size in sizes) / pairs
    return prompt, responses


def mean_prompt_tokens() -> float:
    """Return the mean tokens of a prompt over all prompts of Table 1."""
    sizes = [size for size in PUBLISHED.values() if size.prompts and size.prompt_tokens]
    prompts = sum(size.prompts or 0 for size in sizes)
    return sum((size.prompts or 0) * (size.prompt_tokens or 0) for size in sizes) / prompts
