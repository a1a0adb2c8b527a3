"""Settings of sources and mixtures: where rows are read from, and how much of each is used."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings

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
    """Folders of the hub dataset to read, where its parts are in folders; empty: the catalogue's,
    or all."""
    revision: str | None = None
    """Git commit of the hub dataset; without `files`, it is required: a rerun reads the same."""
    max_rows: int | None = Field(default=None, ge=1)
    """Read only this many rows, from the first; null reads all."""


class SourceSettings(OriginSettings):
    """One source of rows: an entry of the catalogue, where its rows are, and the choices for it."""

    entry: str | None = None
    """Name of the dataset in `transforms.sources.catalog`; the source's own name by default."""
    roles: tuple[Role, ...] = ()
    """What the rows are used for, such as [preferences, prompts]. They are read and stored once;
    each role has its own rows in the standard tables. Empty: the entry's first role."""
    sample_task: bool = False
    """Take the rows from the sample task (recipe key `sample_task`) instead of from a file."""
    options: dict[str, Any] = Field(default={})
    """Choices that the entry leaves open, such as a score, a margin, a limit per prompt."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [bool(self.files), bool(self.revision or self.hub_id), self.sample_task]
        if sum(origins) != 1:
            raise ValueError("name exactly one of files, revision (of the hub), sample_task")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("hub_id needs a revision (a commit of the dataset repository)")
        return self

    @model_validator(mode="after")
    def _distinct_roles(self) -> Self:
        if len(set(self.roles)) < len(self.roles):
            raise ValueError(f"roles names one twice: {', '.join(self.roles)}")
        if self.sample_task and len(self.roles) > 1:
            raise ValueError("the sample task has other rows for each role: name one of roles")
        return self


class MixtureSource(Settings):
    """How much of a source goes into a mixture."""

    max_pairs: int | None = Field(default=None, ge=1)
    """Most pairs; those with the lowest hash stay, so that a higher cap only adds. Null: all."""
    weight: float = Field(default=1.0, gt=0)
    """Times that an epoch shows each pair, after the cap; the fraction is shown once more to the
    pairs with the lowest hash: 0.5 takes half of them, 2.5 shows all twice and half thrice."""
