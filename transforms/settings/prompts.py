"""Settings of the prompts of all sources together: near duplicates, contamination, splits, map."""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


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


class SplitSettings(Settings):
    """Which prompts are held out, by a stable hash of the prompt: a new source moves no prompt."""

    evaluation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the prompt space kept for the final evaluation; in no training table."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Share kept to select the best iterate (Algorithm 1, last line); in no training table."""
    reward_validation_fraction: float = Field(default=0.05, gt=0, lt=0.5)
    """Share whose preference pairs measure the reward model; such prompts are sampled nowhere."""
    max_prompt_chars: int | None = Field(default=None, ge=1)
    """Longer prompts are dropped, with a row in the ledger; null keeps all. The paper's scripts cut
    prompts at a number of tokens, which makes other prompts of them."""
    length_study_fraction: float = Field(default=0.0, ge=0, lt=0.5)
    """Share whose responses show how reward follows length (paper, section 2.3: 2K prompts)."""
    prompts_per_iteration: int = Field(default=20_000, ge=1)
    """Most prompts of one iteration. Paper, section 3.3: 60K prompts over three iterations."""
    evaluation_prompts: int = Field(default=500, ge=2)
    """Most evaluation prompts."""
    validation_prompts: int = Field(default=500, ge=2)
    """Most validation prompts."""
    length_study_prompts: int = Field(default=2_000, ge=2)
    """Most prompts of the length study."""

    @model_validator(mode="after")
    def _leaves_prompts(self) -> Self:
        held = (
            self.evaluation_fraction
            + self.validation_fraction
            + self.reward_validation_fraction
            + self.length_study_fraction
        )
        if held >= 0.9:
            raise ValueError(
                f"held-out fractions sum to {held:g}; at most 0.9 leaves prompts to train on"
            )
        return self


class PromptMapSettings(Settings):
    """How the prompts are laid out in two dimensions and grouped into topics (paper, Figure 7)."""

    embedding_model: str | None = None
    """Local folder or hub id of a sentence-transformers model; null takes TF-IDF. The paper used
    nomic-embed-text-v1.5. Code that comes with a model is never run."""
    embedding_revision: str | None = None
    """Git revision of the hub model; required with a hub id: a rerun reads the same weights."""
    max_prompts: int = Field(default=10_000, ge=100)
    """Most prompts on the map; of more, those with the lowest hashes are shown. Time grows a little
    faster than their number: 10,000 take about forty seconds on two cores."""
    topics: int = Field(default=20, ge=2, le=100)
    """Topics, found by k-means."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sample, the layout and the topics."""

    @model_validator(mode="after")
    def _revision_of_a_model(self) -> Self:
        if self.embedding_revision is not None and self.embedding_model is None:
            raise ValueError("embedding_revision is set, but embedding_model is not")
        return self
