"""Settings of a judge: model, server, rubric, limits of requests. Imports no torch."""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


class JudgeSettings(Settings):
    """A chat model that compares two responses by a rubric, in this process or on a server."""

    path: str | None = None
    """Model in this process (vLLM): its folder, such as a checkpoint's, or its hub id."""
    revision: str | None = None
    """Git revision of the hub model; required with a hub id."""
    address: str | None = None
    """Base address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1."""
    model: str | None = None
    """Name of the model at `address`."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the key for `address`; the key is in no table and no log."""
    rubric: str = "helpfulness"
    """Name of a file in training/judging/rubric_files, without its ending."""
    max_tokens: int = Field(default=512, ge=1)
    """Largest number of tokens of an answer."""
    max_context_tokens: int = Field(default=8192, ge=16)
    """Tokens of request and answer, for a model in this process; at most the model's context. A
    comparison that leaves no room for max_tokens gets a row with that error."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy: the most likely verdict."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Time limit of a request, seconds."""
    retries: int = Field(default=3, ge=0)
    """Number of times that a failed request is sent again, after 1, 2, 4 ... seconds."""
    concurrency: int = Field(default=8, ge=1)
    """Largest number of requests at the same time."""
    chunk_comparisons: int = Field(default=64, ge=1)
    """Comparisons per commit; a crash loses the comparisons that are not committed yet."""
    max_unparsed_share: float = Field(default=0.05, ge=0, le=1)
    """Largest share of requests that give no verdict; above it, the asset's check fails."""

    @model_validator(mode="after")
    def _require_one_judge(self) -> Self:
        local, remote = self.path is not None, self.address is not None
        if local == remote or remote != (self.model is not None) or (remote and self.revision):
            raise ValueError(
                "set exactly one judge: path (with a revision if it is a hub id), or address and"
                f" model; found path {self.path}, revision {self.revision}, address"
                f" {self.address}, model {self.model}"
            )
        return self

    @model_validator(mode="after")
    def _require_room(self) -> Self:
        if self.max_tokens >= self.max_context_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} leaves no room for a request in max_context_tokens"
                f" {self.max_context_tokens}"
            )
        return self
