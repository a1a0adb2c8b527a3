"""Settings of the tables: sources, splits, pairs. Defaults that come from the paper quote it.

Frozen pydantic models; the text under a field is its help everywhere. Settings of models and of
their training live in `training.settings`.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """A group of settings: immutable, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SourceSettings(Settings):
    """One raw dataset: where its rows are read from and how a native row is laid out."""

    role: Literal["demonstrations", "preferences", "prompts"]
    """What the rows are used for; one source has one role, a file may appear under two sources."""
    layout: Literal["messages", "standard_pairs", "hh_transcripts", "context_messages"]
    """Native columns: `messages` (one conversation), `standard_pairs` (chosen and rejected message
    lists with optional scores), `hh_transcripts` (chosen and rejected text with Human/Assistant
    markers), `context_messages` (a prompt as a message list)."""
    files: tuple[str, ...] = ()
    """Local parquet, json, jsonl or gzipped files; a relative path is relative to the recipe."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub."""
    hub_split: str = "train"
    """Split of the hub dataset."""
    revision: str | None = None
    """Git revision of the hub dataset; required with `hub_id`: a rerun reads the same rows."""
    sample_task: bool = False
    """Take the rows from the sample task (recipe key `sample_task`) instead of from a file."""
    max_rows: int | None = Field(default=None, ge=1)
    """Read only this many rows, from the first; null reads all."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [bool(self.files), self.hub_id is not None, self.sample_task]
        if sum(origins) != 1:
            raise ValueError("name exactly one of files, hub_id, sample_task")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("hub_id needs a revision (a commit of the dataset repository)")
        roles = {
            "messages": "demonstrations",
            "context_messages": "prompts",
            "standard_pairs": None,  # its pairs, the conversations it prefers, or its prompts
            "hh_transcripts": None,
        }
        fits = roles[self.layout]
        if fits is not None and self.role != fits:
            raise ValueError(f"layout {self.layout} gives {fits}, not {self.role}")
        return self


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
    prompts_per_iteration: int = Field(default=20_000, ge=1)
    """Most prompts of one iteration. Paper, section 3.3: 60K prompts over three iterations."""
    evaluation_prompts: int = Field(default=500, ge=2)
    """Most evaluation prompts."""
    validation_prompts: int = Field(default=500, ge=2)
    """Most validation prompts."""

    @model_validator(mode="after")
    def _leaves_prompts(self) -> Self:
        held = self.evaluation_fraction + self.validation_fraction + self.reward_validation_fraction
        if held >= 0.9:
            raise ValueError(
                f"held-out fractions sum to {held:g}; at most 0.9 leaves prompts to train on"
            )
        return self


class PairSettings(Settings):
    """How n scored responses of a prompt become one preference pair."""

    rule: Literal["best_vs_worst"] = "best_vs_worst"
    """Highest against lowest penalised reward. Paper, section 3.3: best against worst of n = 8."""
    length_penalty: float = Field(default=0.0, ge=0)
    """lambda of eq. 8, reward units a unit of length: r - lambda |a|. Table 6: 0.001 per char."""
    length_unit: Literal["chars", "tokens"] = "chars"
    """Unit of |a| in eq. 8; the published code counts characters."""
    min_margin: float = Field(default=0.0, ge=0)
    """Pairs with a smaller penalised margin are dropped; equal rewards are dropped at any value."""
    drop_truncated: bool = False
    """Leave out responses cut at max_tokens: their end-of-turn token would be invented."""
