"""Models for lm-evaluation-harness: log-likelihoods and greedy text from a checkpoint.

The harness's model interface over vLLM (the engine that samples responses) and over transformers
(the harness's own class), with finish reasons. Not here: the requests
(`training.benchmarks.harness`).

Deviations from the harness:
1. A prompt that is longer than the model's context is refused; the harness cuts its beginning.
2. vLLM runs in `training.engine.sampler`: the harness's class needs a package `vllm`, and vLLM's
   package for the CPU has another name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import has_bos_prefix, postprocess_generated_text
from transformers import AutoConfig

from training.engine.sampler import Sampler
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


class EngineLM(TemplateLM):
    """vLLM with the harness's model interface."""

    def __init__(self, sampler: Sampler, max_length: int) -> None:
        """Use a started engine; `max_length` is its context in tokens."""
        super().__init__()
        self._sampler, self.tokenizer, self.max_length = sampler, sampler.tokenizer, max_length
        self.finish_reasons: list[str] = []

    @property
    def eot_token_id(self) -> int:
        """Token that replaces an empty context if the tokenizer has no BOS."""
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """Token that replaces an empty context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else bos

    def tok_encode(self, string: str, add_special_tokens: bool | None = None) -> list[int]:
        """Encode a text; one that begins with a BOS, from a chat template, gets no second BOS."""
        special = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        if has_bos_prefix(string, self.tokenizer.bos_token):
            special = {"add_special_tokens": False}
        return self.tokenizer(string, **special).input_ids

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Score encoded requests (_, context, continuation), in their order.

        Continuations of one token after the same context, such as letters, are one request for the
        next token's log-probabilities; the engine's prefix cache can serve its prompt. Longer
        continuations are part of a prompt whose log-probabilities are requested: no cache.
        """
        from vllm import SamplingParams

        letters: dict[tuple[int, ...], list[int]] = {}
        texts = []
        for number, (_, context, continuation) in enumerate(requests):
            if len(continuation) == 1:
                letters.setdefault(tuple(context), []).append(number)
            else:
                texts.append(number)
        answers: dict[int, tuple[float, bool]] = {}
        params = [
            SamplingParams(
                temperature=0,
                max_tokens=1,
                logprob_token_ids=sorted({requests[number][2][0] for number in numbers}),
                detokenize=False,
            )
            for numbers in letters.values()
        ]
        for numbers, output in zip(
            letters.values(),
            self._sampler.answer_requests([list(ids) for ids in letters], params),
            strict=True,
        ):
            (likely,) = output.outputs[0].logprobs
            (greedy,) = output.outputs[0].token_ids
            for number in numbers:
                token = requests[number][2][0]
                answers[number] = (likely[token].logprob, token == greedy)
        whole = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        tokens = [[*requests[number][1], *requests[number][2]] for number in texts]
        for number, ids, output in zip(
            texts, tokens, self._sampler.answer_requests(tokens, whole), strict=True
        ):
            first = len(requests[number][1])
            found = [
                position[token]
                for position, token in zip(output.prompt_logprobs[first:], ids[first:], strict=True)
            ]
            answers[number] = (
                sum(token.logprob for token in found),
                all(token.rank == 1 for token in found),
            )
        return [answers[number] for number in range(len(requests))]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continue each prompt greedily up to a stop sequence or the end of the turn."""
        from vllm import SamplingParams

        params = [
            SamplingParams(
                temperature=0,
                max_tokens=request.args[1]["max_gen_toks"],
                stop=request.args[1]["until"],
                skip_special_tokens=False,
            )
            for request in requests
        ]
        outputs = self._sampler.answer_requests(
            [self.tok_encode(request.args[0]) for request in requests], params
        )
        self.finish_reasons = [output.outputs[0].finish_reason for output in outputs]
        eos = self.tokenizer.eos_token
        return [
            postprocess_generated_text(
                output.outputs[0].text, [*request.args[1]["until"], eos], None
            )
            for request, output in zip(requests, outputs, strict=True)
        ]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> Any:
        """Refuse: no benchmark here measures perplexity."""
        raise NotImplementedError("no benchmark here needs the log-likelihood of a whole text")


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
    policy: Path, settings: AcademicSettings, sampling: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[LanguageModel]:
    """Load a checkpoint in the engine of the settings; leaving the block frees it.

    Args:
        policy: folder of the checkpoint.
        settings: engine, context, batch size.
        sampling: placement in vLLM (share of memory, tensor parallelism, cache).
        seed: seed of the engine; answers are greedy.
        dtype: compute type.

    Raises:
        InputError: the folder is not a complete model, or its context is too short.
    """
    context = (
        settings.max_context_tokens or AutoConfig.from_pretrained(policy).max_position_embeddings
    )
    if settings.engine == "vllm":
        placed = sampling.model_copy(update={"max_context_tokens": context})
        with Sampler(policy, placed, seed=seed, dtype=dtype) as sampler:
            # vLLM always samples a token after a prompt.
            yield EngineLM(sampler, context - 1)
        return
    yield TransformersLM(
        pretrained=str(policy),
        dtype=dtype,
        device="cuda" if torch.cuda.is_available() else "cpu",
        batch_size=settings.batch_size,
        max_length=context,
    )


def require_room(lm: LanguageModel, asked: dict[str, list[Instance]]) -> None:
    """Check before any request that the model's context has room for every item.

    Args:
        lm: the model.
        asked: requests by item.

    Raises:
        InputError: items do not fit; the error contains the longest one.
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
