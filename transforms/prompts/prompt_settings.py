"""Settings of what is done to the prompts of all sources together: near duplicates, contamination.

Not here: what a source decides for itself (`transforms.catalog`), splits (`transforms.settings`).
"""

from pydantic import Field

from transforms.settings import Settings


class NearDuplicateSettings(Settings):
    """Which prompts count as the same one, written a little differently."""

    threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Least Jaccard similarity of the shingles of two near duplicates. Lee et al. 2022 (arXiv
    2107.06499, section 4.2) take 0.8; 1 leaves only texts that differ in case or white space."""
    shingle_chars: int = Field(default=5, ge=2, le=20)
    """Characters of a shingle. Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section
    3.2.2, take 5 for texts as short as e-mails. Characters and not words: a shingle of 5 words is
    half of a short prompt, and Chinese or Japanese has no spaces between words."""
    permutations: int = Field(default=256, ge=64, le=1024)
    """Slots of a MinHash signature. BigCode take 256 (https://huggingface.co/blog/dedup). What the
    signatures propose is compared exactly: more slots cost memory, and spare comparisons where many
    prompts share a long template."""
    seed: int = Field(default=0, ge=0, lt=2**64)
    """Seed of the signatures. It changes which of the few pairs near the threshold are missed."""


class DecontaminationSettings(Settings):
    """Which overlap with an evaluation set makes a prompt unfit for training."""

    ngram_words: int = Field(default=13, ge=8, le=13)
    """Words that a prompt and an item must share in a row. Brown et al. 2020 (GPT-3, arXiv
    2005.14165, appendix C) take 8 to 13, after the length of a set's items, and 13 to clean the
    training data: shorter runs are common phrases. The upper bound lets the SQL check, which looks
    for 13, hold for every allowed value."""


class PromptSettings(Settings):
    """What is removed from the collected prompts before they are split."""

    near_duplicates: NearDuplicateSettings | None = None
    """Remove prompts that nearly equal another one; null keeps them."""
    decontamination: DecontaminationSettings = DecontaminationSettings()
    """How prompts are screened against the evaluation sets that a recipe names."""
