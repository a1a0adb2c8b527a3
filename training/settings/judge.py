"""Settings of a judge: model, server, rubric, limits of requests. Imports no torch."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from training.settings.model import DeviceSettings
from transforms.settings.frozen import Settings

OWN_FIELDS = {
    "max_completion_tokens", "max_tokens", "messages", "model", "n", "stream", "temperature",
}  # fmt: skip
"""Fields of a request that other settings decide, or that the answer is read by."""


class JudgeSettings(Settings):
    """A chat model that compares two responses by a rubric, in this process or on a server."""

    path: str | None = None
    """Model in this process (vLLM): its folder, such as a checkpoint's, or its hub id."""
    revision: str | None = None
    """Git revision of the hub model; required with a hub id."""
    devices: DeviceSettings | None = None
    """GPUs of a model in this process, such as more GPUs per replica for a large judge; null: the
    recipe's `devices`."""
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
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Name of `max_tokens` in a request to `address`. OpenAI's reasoning models accept only
    max_completion_tokens, which also counts the tokens of their thoughts."""
    temperature: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    """0 is greedy: the most likely verdict. null: a request to `address` has no temperature, for
    models that refuse one."""
    extra_fields: dict[str, Any] = Field(default={})
    """Further fields of every request to `address`, such as {reasoning_effort: low}."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Time limit of a request, seconds."""
    retries: int = Field(default=3, ge=0)
    """Number of times that a failed request is sent again, after 1, 2, 4 ... seconds."""
    max_equal_errors: int | None = Field(default=16, ge=1)
    """Number of equal client errors (HTTP 4xx), with no answer in between, after which the run
    stops, because the server seems to refuse a setting, and so every request. null: the run goes
    on, for a server that refuses single texts with always the same error."""
    concurrency: int = Field(default=8, ge=1)
    """Largest number of requests at the same time."""
    chunk_comparisons: int = Field(default=64, ge=1)
    """Comparisons per chunk; finished chunks are committed together (`commits`)."""
    max_unparsed_share: float = Field(default=0.05, ge=0, le=1)
    """Largest share of requests that give no verdict; above it, the asset's check fails. A run that
    ranks or labels stops after 1,024 answers if nine tenths of them have none, and more than
    this."""

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
    def _require_fitting_request(self) -> Self:
        if self.path is not None and self.temperature is None:
            raise ValueError("a judge with a path needs a temperature; null is for an address")
        if self.path is not None and (self.extra_fields or self.max_tokens_field != "max_tokens"):
            raise ValueError(
                "extra_fields and max_tokens_field change requests to an address; this judge has a"
                " path"
            )
        if self.path is None and self.devices is not None:
            raise ValueError("devices are the GPUs of a judge with a path; this one has an address")
        if taken := sorted(OWN_FIELDS & set(self.extra_fields)):
            raise ValueError(
                f"extra_fields contains {', '.join(taken)}; these fields are set by model,"
                " max_tokens, max_tokens_field and temperature, or by the request itself"
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
