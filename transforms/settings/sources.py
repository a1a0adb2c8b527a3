"""Settings of sources and mixtures."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings

Role = Literal["preferences", "demonstrations", "prompts"]
"""Use of a source's rows."""


class OriginSettings(Settings):
    """The origin of rows: local files, or a pinned dataset of the Hugging Face hub."""

    files: tuple[str, ...] = ()
    """Local files, folders of them, Delta tables, or folders that `save_to_disk` wrote. Formats are
    parquet, arrow, csv, tsv, json and jsonl; text may be compressed as gz, zst or bz2. A relative
    path is relative to the recipe."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null: the id in the catalogue, if it has one."""
    hub_split: str | None = None
    """Split of the hub dataset; null: the split in the catalogue, usually `train`."""
    hub_dirs: tuple[str, ...] = ()
    """Folders of the hub dataset to read, if its parts are in folders; empty: the folders in the
    catalogue, or all."""
    revision: str | None = None
    """Git commit of the hub dataset; required without `files`, so that a rerun reads the same
    rows. Of a branch, the commit at the time of reading is in the row keys; a branch that has moved
    makes nothing stale."""
    max_rows: int | None = Field(default=None, ge=1)
    """Read only the first rows, up to this number; null reads all."""


class SourceSettings(OriginSettings):
    """One source of rows: its entry in the catalogue, the origin of its rows, and its options."""

    entry: str | None = None
    """Name of the dataset in `transforms.sources.catalog`; null: the name of the source."""
    roles: tuple[Role, ...] = ()
    """Uses of the rows, such as [preferences, prompts]. Rows are read and stored once; each role
    has its own rows in the standard tables. Empty: the entry's first role."""
    sample_task: bool = False
    """Read the rows from the sample task (recipe key `sample_task`) instead of a file."""
    options: dict[str, Any] = Field(default={})
    """Options of the entry, such as a score, a margin, a limit per prompt."""
    reference: str | None = None
    """Native column with a reference for each prompt, as text: an answer, unit tests, or whatever a
    reward of the recipe reads. It becomes `reference` of `prompts`; a prompt without one is
    dropped, with the reason `missing_reference`. null: the prompts have no reference."""
    instructions: int | None = Field(default=None, ge=1, le=5)
    """Add between 1 and this many verifiable instructions, such as a length or a list, to every
    prompt; a hash of the prompt selects them. They are the reference for the verifier
    `instructions`. The prompts of preferences get them, too, and their label is then the
    verifier's: the response that follows more of them is chosen, and a pair without a difference is
    dropped (`instructions_tie`). null: prompts and labels stay as they are."""

    @model_validator(mode="after")
    def _require_one_origin(self) -> Self:
        origins = [bool(self.files), bool(self.revision or self.hub_id), self.sample_task]
        if sum(origins) != 1:
            raise ValueError("name exactly one of files, revision (of the hub), sample_task")
        if self.hub_id is not None and self.revision is None:
            raise ValueError("hub_id needs a revision (a commit of the dataset repository)")
        return self

    @model_validator(mode="after")
    def _require_distinct_roles(self) -> Self:
        if len(set(self.roles)) < len(self.roles):
            raise ValueError(f"roles names one twice: {', '.join(self.roles)}")
        if self.sample_task and len(self.roles) > 1:
            raise ValueError("the sample task has different rows for each role: name one role")
        return self

    @model_validator(mode="after")
    def _require_one_reference(self) -> Self:
        if self.reference is not None and self.instructions is not None:
            raise ValueError("set reference or instructions, which are a reference of their own")
        if self.reference is not None and self.sample_task:
            raise ValueError("the sample task has no column for `reference`")
        return self


class MixtureSource(Settings):
    """A source's part of a mixture: half of its prompts, cap and weight."""

    half: Literal["first", "second"] | None = None
    """Only pairs whose prompt is in this half, decided by a hash of the prompt; null: all. Mixtures
    of different halves share no prompt."""
    max_pairs: int | None = Field(default=None, ge=1)
    """Maximum number of pairs; null: all. The pairs with the lowest hashes are kept, so that a
    higher cap only adds pairs."""
    weight: float = Field(default=1.0, gt=0)
    """Copies of each pair in an epoch, after the cap. A fraction gives one more copy to the pairs
    with the lowest hashes: 0.5 keeps half of the pairs, 2.5 has all pairs twice and half of them
    three times."""
