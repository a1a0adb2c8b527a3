"""Settings of models: the initial one, and the GPUs that run a model. Imports no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings

PACKAGE = "package:"
"""Begins the name of a file that is in an installed Python package."""


class TinyModelSettings(Settings):
    """A new tiny Llama model with random weights and a tokenizer trained on the demonstrations."""

    tokenizer: Literal["word_level", "byte_bpe"] = "word_level"
    """`word_level`: one token per whitespace-separated word; `byte_bpe`: byte-level BPE."""
    vocab_size: int = Field(default=512, ge=16)
    """Maximum size of the vocabulary, including special tokens."""
    hidden_size: int = Field(default=128, ge=32)
    """Width; hidden_size / heads must be a head size that vLLM supports: 32, 48, 64, 128."""
    intermediate_size: int = Field(default=512, ge=32)
    """Width of the MLP."""
    layers: int = Field(default=4, ge=1)
    """Decoder layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    context_tokens: int = Field(default=128, ge=16)
    """Context length of the model, tokens."""
    initializer_range: float = Field(default=0.1, gt=0)
    """Standard deviation of the initial weights; the usual 0.02 learns slowly at this width."""

    @model_validator(mode="after")
    def _require_head_size(self) -> Self:
        size, rest = divmod(self.hidden_size, self.heads)
        if rest or size not in (32, 48, 64, 128):
            raise ValueError(
                f"hidden_size / heads is {self.hidden_size / self.heads:g};"
                " vLLM on a CPU needs 32, 48, 64 or 128"
            )
        return self


class ModelSettings(Settings):
    """The initial model: a folder, a hub id, a GGUF file, or a new tiny model."""

    path: str | None = None
    """Local folder or hub id of a causal language model with a chat template."""
    revision: str | None = None
    """Git revision of the hub model."""
    gguf: str | None = None
    """GGUF file of a causal language model with a chat template, instead of `path`. Its weights are
    dequantised once, to `dtype`. `package:NAME/FILE` is a file of an installed Python package."""
    tokenizer: str | None = None
    """Local folder or hub id of the tokenizer and chat template, if `path` is a base model without
    a template; null uses those of `path`."""
    tiny: TinyModelSettings | None = None
    """Make a new tiny model instead."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Type of weights and computation. Use float32 on a CPU without instructions for bfloat16
    (`avx512_bf16`, AMX), where bfloat16 is about a hundred times slower."""

    @model_validator(mode="after")
    def _require_one_origin(self) -> Self:
        if [self.path, self.gguf, self.tiny].count(None) != 2:
            raise ValueError("set exactly one of path, gguf, tiny")
        return self


class DeviceSettings(Settings):
    """GPUs of every stage that runs a model without training it.

    They change only speed: no id depends on them, and a change makes no asset stale. A training has
    `processes` of its own. Without a GPU, replicas are processes on the same processor.
    """

    replicas: int = Field(default=1, ge=1)
    """Copies of the model that run at the same time, each in a process with GPUs of its own; a hash
    divides the rows among them. Replicas times gpus_per_replica is at most the number of GPUs."""
    cluster: Literal["ray"] | None = None
    """Where the replicas run; null: on this machine. `ray`: on the nodes of the Ray cluster that
    the environment variable RAY_ADDRESS names, or else of the one on this machine. A replica that
    is lost is started again, and the others go on."""
    gpus_per_replica: int = Field(default=1, ge=1)
    """GPUs that share one copy of a model which is too large for one GPU: tensor parallelism in
    vLLM, layers one after the other elsewhere."""
    bfloat16_copy: bool = False
    """Keep a bfloat16 copy of every sampled policy in its folder (2 bytes per weight), from which
    vLLM starts with the same weights. Useful if many replicas read from shared storage."""

    @property
    def in_processes(self) -> bool:
        """Whether the model runs in other processes than the calling one."""
        return self.replicas > 1 or self.cluster is not None

    @property
    def of_one_replica(self) -> "DeviceSettings":
        """The devices of one replica, for its own process."""
        return DeviceSettings(gpus_per_replica=self.gpus_per_replica)


ONE_PROCESS = DeviceSettings()
"""One copy of the model, in the calling process, on one GPU if there is one."""
