"""Settings of the tables: sources, splits, pairs. Defaults that come from the paper quote it.

Frozen pydantic models; the text under a field is its help everywhere. Settings of models and of
their training live in `training.settings`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """A group of settings: immutable, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Role = Literal["preferences", "demonstrations", "prompts"]
"""What a source's rows are used for."""


class OriginSettings(Settings):
    """Where rows are read from: local files, or a pinned dataset of the Hugging Face hub."""

    files: tuple[str, ...] = ()
    """Local parquet, csv, json or jsonl files, gzipped or not, or folders of them; a relative path
    is relative to the recipe."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; the catalogue's, where it names one."""
    hub_split: str | None = None
    """Split of the hub dataset; the catalogue's, `train` as a rule."""
    hub_dirs: tuple[str, ...] = ()
    """Folders of the hub dataset to read, where its parts lie in folders; the catalogue's if none
    are named, or all."""
    revision: str | None = None
    """Git commit of the hub dataset; without `files`, it is required: a rerun reads the same."""
    max_rows: int | None = Field(default=None, ge=1)
    """Read only this many rows, from the first; null reads all."""


class SourceSettings(OriginSettings):
    """One source of rows: an entry of the catalogue, where its rows are, and the choices for it."""

    entry: str | None = None
    """Name of the dataset in `transforms.catalog`; the source's own name by default."""
    role: Role | None = None
    """What the rows are used for; the entry's first use by default. A file may appear under two
    sources with two roles."""
    sample_task: bool = False
    """Take the rows from the sample task (recipe key `sample_task`) instead of from a file."""
    options: dict[str, Any] = {}
    """Choices that the entry leaves open, such as a score, a margin, a limit a prompt."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [bool(self.files), bool(self.revision or self.hub_id), self.sample_task]
        if sum(origins) != 1:
            raise ValueError("name exactly one of files, revision (of the hub), sample_task")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("hub_id needs a revision (a commit of the dataset repository)")
        return self


class MixtureSource(Settings):
    """How much of a source goes into a mixture."""

    max_pairs: int | None = Field(default=None, ge=1)
    """Most pairs; those with the lowest hash stay, so that a higher cap only adds. Null: all."""
    weight: float = Field(default=1.0, gt=0)
    """Times that an epoch shows each pair, after the cap; the fraction is shown once more to the
    pairs with the lowest hash: 0.5 takes half of them, 2.5 shows all twice and half thrice."""


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


class PairSettings(Settings):
    """How n scored responses of a prompt become preference pairs."""

    rule: Literal["best_vs_worst", "best_vs_random", "best_vs_second", "all_above_margin"] = (
        "best_vs_worst"
    )
    """Which responses of a prompt meet, by penalised reward. `best_vs_worst`: paper, section 3.3,
    best against worst of n = 8. `best_vs_random`: against one of the others, drawn by a hash of the
    prompt. `best_vs_second`: against the next best. `all_above_margin`: every two responses whose
    margin is at least `min_margin`; the one rule that gives a prompt several pairs."""
    length_penalty: Annotated[float, Field(ge=0)] | Literal["calibrated"] = 0.0
    """lambda of eq. 8, reward units a unit of length: r - lambda |a|. Table 6: 0.001 per char.
    `calibrated` takes the lambda at which the penalised reward has no slope on length within the
    prompts of the responses that are paired; it is negative where the reward favours short ones."""
    length_unit: Literal["chars", "tokens"] = "chars"
    """Unit of |a| in eq. 8; the published code counts characters."""
    min_margin: float = Field(default=0.0, ge=0)
    """Pairs with a smaller penalised margin are dropped; equal rewards are dropped at any value."""
    drop_truncated: bool = False
    """Leave out responses cut at max_tokens: their end-of-turn token would be invented."""
