"""vLLM, the engine that samples responses, with the model interface of lm-evaluation-harness.

Not here: opening a model (`training.benchmarks.language_models`).

Deviation from the harness: vLLM runs in `training.engine.sampler`. The harness's class needs a
package `vllm`, and vLLM's package for the CPU has another name.
"""

from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import has_bos_prefix, postprocess_generated_text

from training.engine.sampler import Sampler
from transforms.errors import InputError


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
        """Refuse: no benchmark here measures perplexity, and the harness's interface has this.

        Raises:
            InputError: always.
        """
        raise InputError(
            "the log-likelihood of a whole text cannot be measured with vLLM",
            expected="a task with answers or choices",
            found=f"{len(requests)} requests for whole texts",
            remedy="choose another task, or `engine: transformers`",
        )
