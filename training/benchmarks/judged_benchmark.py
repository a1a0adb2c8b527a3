"""A benchmark whose answers a judge scores: the requests to the model and to the judge.

Lives here: what AlpacaEval, MT-Bench and Arena-Hard have in common. Not here: their own requests
and figures (`training.benchmarks.pairwise_task`, `training.benchmarks.mt_bench_task`), answering
(`training.benchmarks.sampled_answers`), asking a judge (`training.benchmarks.verdict_requests`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from transformers import AutoConfig

from training.benchmarks.sampled_answers import answer_questions
from training.benchmarks.verdict_requests import VerdictRequest, ask, with_repeats
from training.judging.benchmark_prompts import JudgePrompt
from training.judging.judge import identify_judge
from training.settings.benchmarks import JudgedSettings
from training.settings.judge import JudgeSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import REQUESTS
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.identity import digest_settings

Texts = Mapping[str, Sequence[str]]
"""A model's answers, turn by turn, by item."""


class JudgedTask(Protocol):
    """One of the benchmarks: questions, prompts, figures."""

    questions: pl.DataFrame
    """item, subset, turns (texts of the user), temperature."""
    prompts: Sequence[JudgePrompt]
    """All that a judge may be asked with."""
    top_logprobs: int
    """Log-probabilities of the likeliest first tokens to ask the judge for; 0 for none."""

    def requests(self, answers: Texts) -> list[VerdictRequest]:
        """List what a judge is asked about a model's answers."""

    def figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Turn the verdicts on a model's answers into `results.SUMMARY`."""


class JudgedBenchmark:
    """One benchmark, ready to be put to any model (`training.benchmarks.benchmark.Benchmark`)."""

    source = f"prefloop {version('prefloop')}"

    def __init__(
        self,
        task: JudgedTask,
        settings: JudgedSettings,
        judge: JudgeSettings,
        sampling: SamplingSettings,
        *,
        data: Mapping[str, str],
        seed: int,
        dtype: str,
    ) -> None:
        """Put a task and the recipe's settings together.

        Args:
            task: the benchmark.
            settings: its settings.
            judge: the recipe's judge.
            sampling: of the recipe's loop: where and how many sequences the engine runs.
            data: fingerprints of the files that the task was read from, by part.
            seed: of the engine that answers.
            dtype: dtype of the models' weights.
        """
        self._task, self._settings, self._sampling = task, settings, sampling
        self._seed, self._dtype, self._data = seed, dtype, dict(data)
        one_token = all(prompt.form == "choice" for prompt in task.prompts)
        self._judge = judge.model_copy(update={"max_tokens": 1}) if one_token else judge

    @cached_property
    def judge(self) -> pl.DataFrame:
        """The judge with these prompts: its row of `judges`."""
        text = "\n\n".join(
            f"# {prompt.name}\n\n[{role}]\n{said}"
            for prompt in self._task.prompts
            for role, said in prompt.messages
        )
        return identify_judge(
            self._judge,
            self._settings.benchmark,
            text,
            dtype=self._dtype,
            top_logprobs=self._task.top_logprobs,
        )

    @property
    def judge_id(self) -> str:
        """Identity of the judge: its model, the prompts, how it is asked."""
        return self.judge["judge_id"].item()

    @property
    def benchmark_id(self) -> str:
        """Hash of all that decides a model's figures."""
        return digest_settings(
            {
                "data": self._data,
                "settings": self._settings.dump_decisive(),
                "judge": self.judge_id,
                **self._decoding,
            }
        )

    @property
    def _decoding(self) -> dict[str, Any]:
        return {
            "max_tokens": self._settings.max_tokens,
            "seed": self._seed,
            "dtype": self._dtype,
        }

    @cached_property
    def _questions(self) -> pl.DataFrame:
        limit = self._settings.limit
        asked = self._task.questions
        if limit is not None:
            asked = asked.filter(pl.int_range(pl.len()).over("subset") < limit)
        ids = [
            digest_settings({"turns": turns, "temperature": temperature, **self._decoding})
            for turns, temperature in asked.select("turns", "temperature").iter_rows()
        ]
        return asked.with_columns(
            repeat=pl.lit(0, pl.Int32), request_id=pl.Series(ids, dtype=pl.String)
        )

    def requests(self, policy: Path) -> pl.DataFrame:
        """List what a model is asked: `answer_table.REQUESTS`; the same for every model."""
        return self._questions.select(list(REQUESTS))

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Have a model answer requests, and commit them (`answer_table.ANSWERS`) chunk by chunk.

        Raises:
            InputError: a question leaves no room for max_tokens in the context; it is named.
        """
        context = self._settings.max_context_tokens
        if context is None:
            context = AutoConfig.from_pretrained(policy).max_position_embeddings
        answer_questions(
            policy,
            self._questions.join(missing, on="item", how="semi", maintain_order="left"),
            self._sampling.model_copy(
                update={
                    "max_tokens": self._settings.max_tokens,
                    "max_context_tokens": context,
                    "chunk_prompts": self._settings.chunk_items,
                }
            ),
            seed=self._seed,
            dtype=self._dtype,
            commit=commit,
            description=description,
        )

    def score(self, answers: pl.DataFrame, *, description: str) -> None:
        """Return nothing: a judge scores the answers (`ask_judge`)."""

    def ask_judge(self, answers: pl.DataFrame, verdicts: Verdicts, *, description: str) -> int:
        """Ask the judge for the missing verdicts on a model's answers.

        Args:
            answers: all rows of `benchmark_answers` of the model.
            verdicts: the table of verdicts, to which new ones are appended.
            description: label of the progress bar.

        Returns:
            How many requests were sent.
        """
        asked = [
            *with_repeats(
                self._task.requests(self._texts(answers)),
                items=self._settings.noise_items,
                repeats=self._settings.noise_repeats,
            )
        ]
        ids = [request.request_id(self.judge_id) for request in asked]
        held = verdicts.select_answered(pl.Series(ids, dtype=pl.String))
        missing = [request for request, known in zip(asked, ids, strict=True) if known not in held]
        ask(
            missing,
            self._judge,
            self.judge_id,
            dtype=self._dtype,
            top_logprobs=self._task.top_logprobs,
            commit=verdicts.commit,
            description=description,
        )
        return len(missing)

    def results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Turn answers and verdicts into figures: `results.SUMMARY`."""
        return self._task.figures(verdicts, self._texts(answers))

    def _texts(self, answers: pl.DataFrame) -> dict[str, list[str]]:
        turns = dict(self._task.questions.select("item", pl.col("turns").list.len()).iter_rows())
        return {
            item: json.loads(answer) if turns[item] > 1 else [answer]
            for item, answer in answers.select("item", "answer").iter_rows()
        }
