"""Rewards of a Bradley-Terry reward model by vLLM's pooling runner.

vLLM reads token ids, never texts, so what is scored is what the plain forward pass scores. Not
here: the plain forward pass (`training.models.rewards`), starting and stopping vLLM
(`training.engine.running_engine`).
"""

import logging
from collections.abc import Hashable, Sequence
from pathlib import Path

from pydantic import ValidationError
from transformers import PretrainedConfig

from training.engine.running_engine import RunningEngine, set_environment
from training.models.loading.config import get_context_tokens, shorten_error
from training.models.loading.weights import require_classifier_weights
from training.models.rewards import RewardEngine, reads_last_token, strip_right
from training.models.unscorable import Limit
from training.settings.scoring import ScoringSettings
from transforms.errors import InputError

LOGGER = logging.getLogger(__name__)

COMPARED = ("llama", "qwen3", "gemma2")
"""Families whose rewards a test compares with those of the plain forward pass."""
FITTING = -1
"""vLLM's max_model_len for the model's context, or what fits into the key-value cache."""
MOST_SEQUENCES = 256
"""Largest number of responses in a forward pass: as vLLM's default on a CPU."""
OTHER_ENGINE = "set scoring.engine: transformers"
MORE_CACHE = "raise scoring.gpu_memory_utilization (on a CPU: scoring.cpu_kv_cache_gib)"


class PoolingEngine(RewardEngine):
    """vLLM with a reward model, whose head computes in float32 whatever the type of the weights."""

    def __init__(
        self, folder: Path, settings: ScoringSettings, *, dtype: str, gpus: int = 1
    ) -> None:
        """Start vLLM with a reward model; several GPUs are tensor parallel.

        Raises:
            InputError: as in `RewardEngine`; or the model is no causal decoder with a head `score`,
                vLLM does not know its family, or the memory is too small for it.
        """
        config = require_readable(folder)
        set_environment()  # before vLLM is imported
        from vllm.config import PoolerConfig

        try:
            self._engine = RunningEngine(
                folder,
                gpus=gpus,
                gpu_memory_utilization=settings.gpu_memory_utilization,
                cpu_kv_cache_gib=settings.cpu_kv_cache_gib,
                runner="pooling",
                dtype=dtype,
                # a config without labels means two; a float32 head is vLLM's default, too
                hf_overrides={"num_labels": 1, "head_dtype": "float32"},
                pooler_config=PoolerConfig(seq_pooling_type="LAST", use_activation=False),
                max_model_len=FITTING,
                max_num_batched_tokens=settings.batch_tokens,
                max_num_seqs=min(MOST_SEQUENCES, settings.batch_tokens),
            )
        except InputError:
            raise
        except (ValueError, NotImplementedError, RuntimeError) as error:
            raise InputError(
                f"vLLM cannot start with the reward model {folder}",
                expected="a sequence classifier of a family that vLLM knows, and memory for it and"
                " one response",
                found=_describe(error),
                remedy=f"{OTHER_ENGINE}; if memory is missing, {MORE_CACHE}",
            ) from error
        self._pad_id = config.pad_token_id
        self.limit = find_limit(
            get_context_tokens(config), self._engine.llm.model_config.max_model_len
        )

    def compute(
        self, token_ids: Sequence[Sequence[int]], prompts: Sequence[Hashable]
    ) -> list[float]:
        """Compute rewards. Equal prompts need no names: vLLM finds them by their token ids."""
        from vllm import TokensPrompt

        if not token_ids:  # every row of a chunk is refused: vLLM wants at least one
            return []
        rows = [
            TokensPrompt(prompt_token_ids=list(strip_right(ids, self._pad_id))) for ids in token_ids
        ]
        outputs = self._engine.llm.classify(rows, use_tqdm=False)
        return [output.outputs.probs[0] for output in outputs]

    def close(self) -> None:
        """Stop vLLM and free its memory."""
        self._engine.stop()


def require_readable(folder: Path) -> PretrainedConfig:
    """Refuse a reward model that vLLM would not read as transformers does; return its config."""
    model = require_classifier_weights(folder)
    if not reads_last_token(model):
        raise InputError(
            f"vLLM does not score with the reward model {folder}",
            expected="a causal decoder with a head `score`, which reads the last token",
            found=type(model).__name__,
            remedy=OTHER_ENGINE,
        )
    family = model.config.model_type
    if family not in COMPARED:
        LOGGER.warning(
            "vLLM's rewards were not compared with a plain forward pass for the family %s, only for"
            " %s; compare them on your model, or %s",
            family,
            ", ".join(COMPARED),
            OTHER_ENGINE,
        )
    return model.config


def find_limit(context_tokens: int, engine_tokens: int) -> Limit:
    """Return the longest response with its prompt; vLLM's cache may be smaller than the context."""
    if engine_tokens >= context_tokens:
        return Limit(context_tokens)
    return Limit(engine_tokens, "vLLM's key-value cache", f"{MORE_CACHE}, or {OTHER_ENGINE}")


def _describe(error: Exception) -> str:
    """Return what vLLM reports; the first line of pydantic's text is only a heading."""
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"]
    return shorten_error(error)
