"""Settings of the prompts of all sources: near duplicates, decontamination, splits, map."""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


class NearDuplicateSettings(Settings):
    """Settings that define near duplicates: prompts with almost the same text."""

    threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Minimum Jaccard similarity of the shingles of two near duplicates. Lee et al. 2022 (arXiv
    2107.06499, section 4.2) use 0.8. With 1, only texts that differ in case or white space are near
    duplicates."""
    shingle_chars: int = Field(default=5, ge=2, le=20)
    """Characters per shingle. Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section
    3.2.2, use 5 for short texts such as e-mails. Shingles are not of words: 5 words are half of a
    short prompt, and Chinese or Japanese has no spaces between words."""
    permutations: int = Field(default=256, ge=64, le=1024)
    """Slots per MinHash signature. BigCode use 256 (https://huggingface.co/blog/dedup). Candidate
    pairs are compared exactly: more slots cost memory and save comparisons if many prompts share a
    long template."""
    seed: int = Field(default=0, ge=0, lt=2**64)
    """Seed of the signatures. It changes which of the few pairs near the threshold are missed."""


class DecontaminationSettings(Settings):
    """The overlap with an item of an evaluation set that removes a prompt."""

    ngram_words: int = Field(default=13, ge=8, le=13)
    """Number of consecutive words that a prompt shares with an item; of a shorter item, all words.
    Brown et al. 2020 (GPT-3, arXiv 2005.14165, appendix C) use 8 to 13, depending on the length of
    a set's items, and 13 to clean the training data. With 13, one changed word can hide an item of
    13 to 25 words. 8 finds such items, and common phrases too: of the prompts that only 8 finds,
    nine in ten are ordinary ones (docs/measured/contamination.md). The SQL check looks for 13
    words, so 13 is the maximum: the check then holds for every allowed value."""


class PromptSettings(Settings):
    """Cleaning of the collected prompts before they are split."""

    near_duplicates: NearDuplicateSettings | None = None
    """Drop near duplicates of other prompts; null keeps them."""
    decontamination: DecontaminationSettings = DecontaminationSettings()
    """Drop prompts that overlap with the recipe's evaluation sets."""


class SplitSettings(Settings):
    """Fractions and sizes of the splits. A hash of the prompt decides, so splits are stable."""

    evaluation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of prompts for the final evaluation; they are in no training table, although at most
    `evaluation_prompts` of them are used. With 100,000 prompts or more, 0.01 is enough, here and
    for the two shares below."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of prompts for the selection of the best iteration (Algorithm 1, last line); they are
    in no training table."""
    reward_validation_fraction: float = Field(default=0.05, gt=0, lt=0.5)
    """Share of prompts whose preference pairs measure the reward model; no iteration samples
    them."""
    max_prompt_chars: int | None = Field(default=None, ge=1)
    """Longer prompts are dropped, with a row in the ledger; null keeps all. The paper's scripts
    instead cut prompts at a number of tokens, which changes the prompts."""
    length_study_fraction: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of prompts whose responses show the relation of reward and length (paper, section 2.3:
    2K prompts)."""
    promotion_fraction: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of prompts for decisions on promotion; they are in no training table, and select no
    policy. All policies answer them, as they answer the other held-out prompts."""
    prompts_per_iteration: int = Field(default=20_000, ge=1)
    """Maximum number of prompts per iteration. Paper, section 3.3: 60K prompts over three
    iterations."""
    evaluation_prompts: int = Field(default=500, ge=2)
    """Maximum number of evaluation prompts."""
    validation_prompts: int = Field(default=500, ge=2)
    """Maximum number of validation prompts."""
    length_study_prompts: int = Field(default=2_000, ge=2)
    """Maximum number of prompts of the length study."""
    promotion_prompts: int = Field(default=500, ge=2)
    """Maximum number of prompts for decisions on promotion."""

    @model_validator(mode="after")
    def _require_training_prompts(self) -> Self:
        held = (
            self.evaluation_fraction
            + self.validation_fraction
            + self.reward_validation_fraction
            + self.length_study_fraction
            + self.promotion_fraction
        )
        if held >= 0.9:
            raise ValueError(
                f"held-out fractions sum to {held:g}; the sum must be below 0.9, so that prompts "
                "for training remain"
            )
        return self


class PromptMapSettings(Settings):
    """The map of the prompts: positions in two dimensions, and topics (paper, Figure 7)."""

    embedding_model: str | None = None
    """Local folder or hub id of a sentence-transformers model; null uses TF-IDF. The paper used
    nomic-embed-text-v1.5. Code in a model's repository is never run."""
    embedding_revision: str | None = None
    """Git revision of the hub model; required with a hub id, so that a rerun reads the same
    weights."""
    max_prompts: int = Field(default=10_000, ge=100)
    """Maximum number of prompts on the map; the prompts with the lowest hashes are shown. Time
    grows a little faster than the number: 10,000 prompts take about forty seconds on two cores."""
    topics: int = Field(default=20, ge=2, le=100)
    """Number of topics, found by k-means."""
    seed: int = Field(default=0, ge=0)
    """Seed of the selection of prompts, the positions and the topics."""

    @model_validator(mode="after")
    def _require_model_of_revision(self) -> Self:
        if self.embedding_revision is not None and self.embedding_model is None:
            raise ValueError("embedding_revision is set, but embedding_model is not")
        return self
