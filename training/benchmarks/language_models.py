"""Models for lm-evaluation-harness: log-likelihoods and greedy text from a checkpoint.

The harness's model interface with finish reasons, its class over transformers, and opening a model.
Not here: vLLM (`training.benchmarks.engine_lm`), the requests (`training.benchmarks.harness`).

Deviation from the harness: a prompt that is longer than the model's context is refused; the harness
cuts its beginning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from training.benchmarks.engine_lm import EngineLM
from training.engine.sampler import Sampler
from training.models.loading.config import read_context_tokens
from training.models.loading.gpus import require_gpus
from training.models.loading.weights import require_causal_weights
from training.settings.benchmarks import AcademicSettings
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError


class LanguageModel(Protocol):
    """The harness's model interface, with finish reasons."""

    max_length: int
    """Largest number of tokens of prompt and answer."""
    finish_reasons: list[str]
    """stop | length for each text of the last `generate_until`, in the order of its requests."""

    def tok_encode(self, string: str, add_special_tokens: bool | None = None) -> list[int]:
        """Encode a text as in a request."""

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool
    ) -> list[tuple[float, bool]]:
        """Return each continuation's log-probability (nats) and whether it is the greedy one."""

    def generate_until(self, requests: list[Instance], disable_tqdm: bool) -> list[str]:
        """Continue each prompt greedily up to a stop sequence."""


class TransformersLM(HFLM):
    """The harness's class over transformers, with finish reasons."""

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continue each prompt greedily up to a stop sequence or the end of the turn."""
        self._ended: dict[tuple[int, ...], str] = {}
        texts = super().generate_until(requests, disable_tqdm)
        contexts = (self.tok_batch_encode([request.args[0]])[0][0] for request in requests)
        self.finish_reasons = [self._ended[tuple(ids.tolist())] for ids in contexts]
        return texts

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **generation_kwargs: Any
    ) -> torch.Tensor:
        """Generate a batch, token ids [batch, context + new]; store why each row ended."""
        generated = super()._model_generate(context, max_length, stop, **generation_kwargs)
        mask = generation_kwargs["attention_mask"].bool()
        for ids, real, row in zip(context, mask, generated, strict=True):
            new = row[context.shape[1] :]
            text = self.tok_decode(new.tolist(), skip_special_tokens=False)
            stopped = self.eot_token_id in new or any(word in text for word in stop)
            self._ended[tuple(ids[real].tolist())] = "stop" if stopped else "length"
        return generated


@contextmanager
def open_language_model(
    policy: Path,
    settings: AcademicSettings,
    sampling: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    gpus: int = 1,
) -> Iterator[LanguageModel]:
    """Load a checkpoint in the engine of the settings; leaving the block frees it.

    Args:
        policy: folder of the checkpoint.
        settings: engine, context, batch size.
        sampling: placement in vLLM (share of memory, cache).
        seed: seed of the engine; answers are greedy.
        dtype: compute type.
        gpus: GPUs that share the model.

    Raises:
        InputError: the folder is not a complete model, its context is too short, or there are too
            few GPUs.
    """
    context = settings.max_context_tokens or read_context_tokens(policy)
    if settings.engine == "vllm":
        placed = sampling.model_copy(update={"max_context_tokens": context})
        with Sampler(policy, placed, seed=seed, dtype=dtype, gpus=gpus) as sampler:
            # vLLM always samples a token after a prompt.
            yield EngineLM(sampler, context - 1)
        return
    require_gpus(gpus)
    require_causal_weights(policy)  # the harness loads it
    yield TransformersLM(
        pretrained=str(policy),
        dtype=dtype,
        device="cuda" if torch.cuda.is_available() else "cpu",
        parallelize=gpus > 1 and torch.cuda.is_available(),
        batch_size=settings.batch_size,
        max_length=context,
    )


def require_room(lm: LanguageModel, asked: dict[str, list[Instance]]) -> None:
    """Check before any request that the model's context has room for every item.

    Args:
        lm: the model.
        asked: requests by item.

    Raises:
        InputError: items do not fit; the error gives the longest one.
    """
    too_long = []
    for item, requests in asked.items():
        context = len(lm.tok_encode(requests[0].args[0]))
        for request in requests:
            generates = isinstance(request.args[1], dict)
            answer = (
                request.args[1]["max_gen_toks"]
                if generates
                else len(lm.tok_encode(request.args[1], add_special_tokens=False))
            )
            if context + answer > lm.max_length:
                too_long.append((context + answer, item))
                break
    if too_long:
        longest, item = max(too_long)
        raise InputError(
            "the model's context is too short for the benchmark",
            expected=f"{longest} tokens (the longest, item {item})",
            found=f"{lm.max_length} tokens; {len(too_long)} of {len(asked)} items do not fit",
            remedy="use a model with a longer context, raise max_context_tokens up to the model's, "
            "or lower shots or max_tokens",
        )
