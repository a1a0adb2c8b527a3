"""Settings of a judge: which model, where, by which rubric, how it is asked. Imports no torch.

Not here: the settings of the models that are trained or sampled (`training.settings`).
"""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


class JudgeSettings(Settings):
    """A chat model that compares two responses by a rubric, here (`path`) or at an `address`."""

    path: str | None = None
    """Folder (a checkpoint, too) or hub id of a model that runs here, in the generation engine."""
    revision: str | None = None
    """Git revision of the hub model; required with a hub id."""
    address: str | None = None
    """Base address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1."""
    model: str | None = None
    """Name of the model at `address`."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key of `address`; the key is in no table and no log."""
    rubric: str = "helpfulness"
    """Name of a file in training/judging/rubric_files, without its ending."""
    max_tokens: int = Field(default=512, ge=1)
    """Most tokens of a verdict's text."""
    max_context_tokens: int = Field(default=8192, ge=16)
    """Request and verdict of a model that runs here. A comparison that leaves no room for
    max_tokens gets a row with that reason. A model with a shorter context uses its own."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy: the most likely verdict."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds that a request may take."""
    retries: int = Field(default=3, ge=0)
    """How often a failed request is sent again, after 1, 2, 4 ... seconds."""
    concurrency: int = Field(default=8, ge=1)
    """Requests in flight at the same time."""
    chunk_comparisons: int = Field(default=64, ge=1)
    """Comparisons per commit: the most that a crash can lose."""
    max_unparsed_share: float = Field(default=0.05, ge=0, le=1)
    """Share of answers that may be unusable before the asset's check fails."""

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        here, there = self.path is not None, self.address is not None
        if here == there or there != (self.model is not None) or (there and self.revision):
            raise ValueError(
                "name exactly one judge: path (with a revision, if it is a hub id), or address and"
                f" model; found path {self.path}, revision {self.revision}, address"
                f" {self.address}, model {self.model}"
            )
        return self

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.max_tokens >= self.max_context_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} leaves no room for a request in max_context_tokens"
                f" {self.max_context_tokens}"
            )
        return self
