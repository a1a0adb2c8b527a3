"""Architectures of known hub models: the numbers of each model's config.json.

Source of a family: config.json of the listed repositories on the Hugging Face hub, and the family's
report: Llama 2 (arXiv 2307.09288), Llama 3 (2407.21783), Qwen2.5 (2412.15115), Qwen3 (2505.09388),
Gemma (2403.08295), Gemma 2 (2408.00118), Gemma 3 (2503.19786), Mistral 7B (2310.06825), SmolLM2
(2502.02737). `tests/training/planning/test_known_models.py` compares the counted weights with the
published ones, and with models that transformers builds.
"""

import re
from collections.abc import Mapping

from training.settings.plan.architecture import ArchitectureSettings


def _make(
    hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocab: int,
    *, model_type: str = "llama", head_size: int | None = None, **others: bool | int,
) -> ArchitectureSettings:  # fmt: skip
    return ArchitectureSettings.model_validate(
        {
            "model_type": model_type,
            "hidden_size": hidden,
            "layers": layers,
            "heads": heads,
            "kv_heads": kv_heads,
            "head_size": head_size or hidden // heads,
            "intermediate_size": mlp,
            "vocab_size": vocab,
            **others,
        }
    )


def _qwen2(*numbers: int, tied: bool = False) -> ArchitectureSettings:
    return _make(*numbers, model_type="qwen2", tied=tied, qkv_bias=True)


def _qwen3(*numbers: int, tied: bool = False) -> ArchitectureSettings:
    return _make(*numbers, model_type="qwen3", head_size=128, tied=tied, qk_norm=True)


def _gemma(*numbers: int) -> ArchitectureSettings:
    return _make(*numbers, model_type="gemma", head_size=256, tied=True)


def _gemma2(*numbers: int, head_size: int = 256) -> ArchitectureSettings:
    return _make(*numbers, model_type="gemma2", head_size=head_size, tied=True, norms_per_layer=4)


def _gemma3(*numbers: int, head_size: int = 256) -> ArchitectureSettings:
    return _make(
        *numbers, model_type="gemma3_text", head_size=head_size, tied=True, qk_norm=True,
        norms_per_layer=4,
    )  # fmt: skip


_LLAMA_3_8B = _make(4096, 32, 32, 8, 14336, 128256)
_LLAMA_3_70B = _make(8192, 80, 64, 8, 28672, 128256)
_MISTRAL_7B = _make(4096, 32, 32, 8, 14336, 32000, model_type="mistral")

KNOWN: Mapping[str, ArchitectureSettings] = {
    "meta-llama/Llama-2-7b": _make(4096, 32, 32, 32, 11008, 32000),
    "meta-llama/Llama-2-13b": _make(5120, 40, 40, 40, 13824, 32000),
    "meta-llama/Llama-2-70b": _make(8192, 80, 64, 8, 28672, 32000),
    "meta-llama/Meta-Llama-3-8B": _LLAMA_3_8B,
    "meta-llama/Meta-Llama-3-70B": _LLAMA_3_70B,
    "meta-llama/Llama-3.1-8B": _LLAMA_3_8B,
    "meta-llama/Llama-3.1-70B": _LLAMA_3_70B,
    "meta-llama/Llama-3.1-405B": _make(16384, 126, 128, 8, 53248, 128256),
    "meta-llama/Llama-3.2-1B": _make(2048, 16, 32, 8, 8192, 128256, tied=True),
    "meta-llama/Llama-3.2-3B": _make(3072, 28, 24, 8, 8192, 128256, tied=True),
    "meta-llama/Llama-3.3-70B": _LLAMA_3_70B,
    "Qwen/Qwen2.5-0.5B": _qwen2(896, 24, 14, 2, 4864, 151936, tied=True),
    "Qwen/Qwen2.5-1.5B": _qwen2(1536, 28, 12, 2, 8960, 151936, tied=True),
    "Qwen/Qwen2.5-3B": _qwen2(2048, 36, 16, 2, 11008, 151936, tied=True),
    "Qwen/Qwen2.5-7B": _qwen2(3584, 28, 28, 4, 18944, 152064),
    "Qwen/Qwen2.5-14B": _qwen2(5120, 48, 40, 8, 13824, 152064),
    "Qwen/Qwen2.5-32B": _qwen2(5120, 64, 40, 8, 27648, 152064),
    "Qwen/Qwen2.5-72B": _qwen2(8192, 80, 64, 8, 29568, 152064),
    "Qwen/Qwen3-0.6B": _qwen3(1024, 28, 16, 8, 3072, 151936, tied=True),
    "Qwen/Qwen3-1.7B": _qwen3(2048, 28, 16, 8, 6144, 151936, tied=True),
    "Qwen/Qwen3-4B": _qwen3(2560, 36, 32, 8, 9728, 151936, tied=True),
    "Qwen/Qwen3-8B": _qwen3(4096, 36, 32, 8, 12288, 151936),
    "Qwen/Qwen3-14B": _qwen3(5120, 40, 40, 8, 17408, 151936),
    "Qwen/Qwen3-32B": _qwen3(5120, 64, 64, 8, 25600, 151936),
    "google/gemma-2b": _gemma(2048, 18, 8, 1, 16384, 256000),
    "google/gemma-7b": _gemma(3072, 28, 16, 16, 24576, 256000),
    "google/gemma-2-2b": _gemma2(2304, 26, 8, 4, 9216, 256000),
    "google/gemma-2-9b": _gemma2(3584, 42, 16, 8, 14336, 256000),
    "google/gemma-2-27b": _gemma2(4608, 46, 32, 16, 36864, 256000, head_size=128),
    "google/gemma-3-1b": _gemma3(1152, 26, 4, 1, 6912, 262144),
    "google/gemma-3-4b": _gemma3(2560, 34, 8, 4, 10240, 262208),
    "google/gemma-3-12b": _gemma3(3840, 48, 16, 8, 15360, 262208),
    "google/gemma-3-27b": _gemma3(5376, 62, 32, 16, 21504, 262208, head_size=128),
    "mistralai/Mistral-7B-v0.1": _MISTRAL_7B,
    "mistralai/Mistral-7B-v0.2": _MISTRAL_7B,
    "mistralai/Mistral-7B-v0.3": _make(4096, 32, 32, 8, 14336, 32768, model_type="mistral"),
    "HuggingFaceTB/SmolLM2-135M": _make(576, 30, 9, 3, 1536, 49152, tied=True),
    "HuggingFaceTB/SmolLM2-360M": _make(960, 32, 15, 5, 2560, 49152, tied=True),
    "HuggingFaceTB/SmolLM2-1.7B": _make(2048, 24, 32, 32, 8192, 49152, tied=True),
}
"""Architectures by hub id, without the endings of fine-tuned copies. Of Gemma 3 from 4B on, it is
that of the text part."""

_TUNED = re.compile(r"(-(Base|Instruct|instruct|it|pt|chat|hf))+$")
_TUNED_INSIDE = re.compile(r"-Instruct(?=-v\d)")


def find_architecture(hub_id: str) -> ArchitectureSettings | None:
    """Return the architecture of a hub model or of its fine-tuned copy; None if it is unknown."""
    return KNOWN.get(_TUNED_INSIDE.sub("", _TUNED.sub("", hub_id)))
