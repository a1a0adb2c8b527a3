"""A judge in this process: a chat model in the engine that samples responses (vLLM).

Not here: the engine (`training.engine.sampler`), several processes
(`training.judging.judge_processes`).
"""

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

from training.engine.sampler import Sampler
from training.judging.rubrics import Answer, Conversation
from training.models.end_of_turn import find_end_of_turn
from training.models.intake.hub import fetch_hub_model
from training.models.loading.config import read_context_tokens
from training.models.rendering import RENDERED_AT_ONCE, load_tokenizer, tokenize_prompts
from training.settings.judge import JudgeSettings
from training.settings.model import ONE_PROCESS
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.judged.thoughts import find_open_thought
from transforms.errors import InputError


def find_judge_folder(path: str, revision: str | None) -> Path:
    """Return the folder of the judge's model; a model on the hub is downloaded.

    Args:
        path: a folder, or a hub id.
        revision: Git revision of the hub model.

    Raises:
        InputError: the folder does not exist, and there is no revision, or the model of the hub
            cannot be read.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder
    if revision is None:
        raise InputError(
            f"the judge {path} cannot be read",
            expected="the folder of a chat model, or a hub id and its revision",
            found="no such folder, and no revision",
            remedy="correct judge.path, or set judge.revision to a commit of the hub repository",
        )
    return fetch_hub_model(path, revision, kind="the judge")


def check_judge_folder(folder: Path, settings: JudgeSettings) -> int:
    """Check the folder of a judge's model; no weights are loaded.

    Returns:
        Tokens of a request and its answer.

    Raises:
        InputError: the folder is not a complete model with a chat template that ends a turn, or
            max_tokens leaves no room for a request.
    """
    find_end_of_turn(load_tokenizer(folder, pads=False), folder)
    context = min(read_context_tokens(folder), settings.max_context_tokens)
    if settings.max_tokens >= context:
        raise InputError(
            f"the judge {settings.path} has no room for a request",
            expected=f"judge.max_tokens below its context of {context} tokens",
            found=f"max_tokens {settings.max_tokens}",
            remedy="lower judge.max_tokens",
        )
    return context


@contextmanager
def open_local_judge(
    settings: JudgeSettings, *, dtype: str, top_logprobs: int = 0
) -> Iterator["LocalJudge"]:
    """Start an engine with the judge's model; leaving the block frees its memory.

    Raises:
        InputError: the model is not found, max_tokens leaves no room for a request, or there are
            too few GPUs.
    """
    # a local judge has a path: JudgeSettings checks it
    folder = find_judge_folder(cast(str, settings.path), settings.revision)
    context = check_judge_folder(folder, settings)
    sampling = SamplingSettings(
        n=1,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        max_context_tokens=context,
    )
    gpus = (settings.devices or ONE_PROCESS).gpus_per_replica
    with Sampler(folder, sampling, seed=0, dtype=dtype, gpus=gpus) as sampler:
        yield LocalJudge(settings, sampler, top_logprobs=top_logprobs)


class LocalJudge:
    """A chat model in a started engine."""

    def __init__(self, settings: JudgeSettings, sampler: Sampler, *, top_logprobs: int) -> None:
        """Use a started engine, whose settings are the sampling settings of the judge's answers."""
        self.settings, self._sampler, self._top_logprobs = settings, sampler, top_logprobs
        self._longest = sampler.settings.max_context_tokens - settings.max_tokens
        # some templates open a thought at the end of the prompt; the answer has only its end
        ((*prompt,),) = tokenize_prompts(sampler.tokenizer, [[{"role": "user", "content": "-"}]])
        self._opened_thought = find_open_thought(cast(str, sampler.tokenizer.decode(prompt)))

    def answer_requests(
        self, conversations: Iterable[Conversation]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number and the answer of every request, in order of completion.

        A request that leaves no room for max_tokens gets an error instead of an answer.
        """
        numbers: list[int] = []
        rendered: list[array] = []
        for number, token_ids in enumerate(self._render(conversations)):
            if len(token_ids) <= self._longest:
                numbers.append(number)
                rendered.append(token_ids)
                continue
            error = f"too long: {len(token_ids)} tokens, at most {self._longest}"
            yield number, Answer.from_error(error)
        for number, (output,) in self._sampler.sample_tokens(
            rendered, self._sampler.settings, top_logprobs=self._top_logprobs
        ):
            yield numbers[number], self._read(output.outputs[0])

    def _render(self, conversations: Iterable[Conversation]) -> Iterator[array]:
        remaining = iter(conversations)
        while portion := list(islice(remaining, RENDERED_AT_ONCE)):
            for token_ids in tokenize_prompts(self._sampler.tokenizer, portion):
                yield array("i", token_ids)

    def _read(self, response: Any) -> Answer:
        # The last token of a stopped answer is the end of the turn, not text.
        stopped = response.finish_reason == "stop"
        token_ids = list(response.token_ids)[: -1 if stopped else None]
        # Marks of thoughts are special tokens of some models; without them, thoughts are text.
        text = self._opened_thought + cast(str, self._sampler.tokenizer.decode(token_ids))
        logprobs = self._read_first_logprobs(response)
        return Answer(text, response.finish_reason, None, None, logprobs)

    def _read_first_logprobs(self, response: Any) -> dict[str, float] | None:
        """Return the log-probabilities of the most likely first tokens, by text.

        If two tokens have the same text, the more likely one counts.
        """
        if not self._top_logprobs:
            return None
        ascending = sorted(response.logprobs[0].items(), key=lambda item: item[1].logprob)
        texts = self._sampler.tokenizer.batch_decode([[token] for token, _ in ascending])
        return {text: top.logprob for text, (_, top) in zip(texts, ascending, strict=True)}
