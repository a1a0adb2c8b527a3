"""Benchmarks with a judge: requests to the model and to the judge, and the task interface.

The common part of AlpacaEval, MT-Bench and Arena-Hard. Not here: the tasks
(`training.benchmarks.pairwise_task`, `training.benchmarks.mt_bench_task`), sampling answers
(`training.benchmarks.sampled_answers`), requesting verdicts
(`training.benchmarks.verdict_requests`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, cast

import polars as pl

from training.benchmarks.answer_replicas import AnswerSettings, answer_on_replicas
from training.benchmarks.sampled_answers import answer_questions
from training.benchmarks.verdict_requests import (
    VerdictRequest,
    add_repeats,
    request_verdicts,
    tabulate_requests,
)
from training.judging.benchmark_prompts import JudgePrompt
from training.judging.judge import identify_judge
from training.models.loading.config import read_context_tokens
from training.settings.benchmarks import JudgedSettings
from training.settings.judge import JudgeSettings
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import REQUESTS
from transforms.benchmarks.judged.verdict_table import REQUEST, Verdicts
from transforms.identity import digest_settings

Texts = Mapping[str, Sequence[str]]
"""A model's answers by item, one text per turn."""


class JudgedTask(Protocol):
    """The questions, judge prompts and figures of one benchmark."""

    @property
    def questions(self) -> pl.DataFrame:
        """Table of item, subset, turns (texts of the user), temperature."""

    @property
    def prompts(self) -> Sequence[JudgePrompt]:
        """All prompts for the judge."""

    @property
    def top_logprobs(self) -> int:
        """Number of most likely first tokens whose log-probabilities the judge must return."""

    def list_requests(self, answers: Texts) -> list[VerdictRequest]:
        """List the requests to the judge about a model's answers."""

    def compute_figures(self, verdicts: pl.DataFrame, answers: Texts) -> pl.DataFrame:
        """Compute `results.SUMMARY` from the verdicts on a model's answers."""


class JudgedBenchmark:
    """One benchmark with a judge, for any model (a `training.benchmarks.benchmark.Benchmark`)."""

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
        devices: DeviceSettings = ONE_PROCESS,
    ) -> None:
        """Combine a task with the recipe's settings.

        Args:
            task: the task.
            settings: its settings.
            judge: the recipe's judge.
            sampling: sampling settings of the recipe's loop: placement, number of sequences.
            data: fingerprints of the task's files, by part.
            seed: seed of the engine that answers.
            dtype: dtype of the models' weights.
            devices: replicas of a measured model that answer, and GPUs of each.
        """
        self._task, self._settings, self._sampling = task, settings, sampling
        self._seed, self._dtype, self._devices, self._data = seed, dtype, devices, dict(data)
        one_token = all(prompt.form == "choice" for prompt in task.prompts)
        self._judge = judge.model_copy(update={"max_tokens": 1}) if one_token else judge

    @cached_property
    def judge(self) -> pl.DataFrame:
        """The judge with the task's prompts, as its row of `judges`."""
        text = "\n\n".join(
            f"# {prompt.name}\n\n[{role}]\n{content}"
            for prompt in self._task.prompts
            for role, content in prompt.messages
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
        """Identity of the judge: its model, prompts and settings."""
        return cast(str, self.judge["judge_id"].item())

    @property
    def benchmark_id(self) -> str:
        """Hash of everything that affects a model's figures."""
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
        questions = self._task.questions
        if limit is not None:
            questions = questions.filter(pl.int_range(pl.len()).over("subset") < limit)
        ids = [
            digest_settings({"turns": turns, "temperature": temperature, **self._decoding})
            for turns, temperature in questions.select("turns", "temperature").iter_rows()
        ]
        return questions.with_columns(
            repeat=pl.lit(0, pl.Int32), request_id=pl.Series(ids, dtype=pl.String)
        )

    def list_requests(self, policy: Path) -> pl.DataFrame:
        """List the requests to a model (`answer_table.REQUESTS`); the same for every model."""
        return self._questions.select(list(REQUESTS))

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Request the missing answers; commit them in chunks (`answer_table.ANSWERS`).

        Raises:
            InputError: a question leaves no room for max_tokens in the context; the error gives
                its item.
        """
        if self._devices.in_processes:
            answer_on_replicas(
                AnswerSettings(
                    benchmark=self._settings, sampling=self._sampling, judge=self._judge
                ),
                policy,
                missing,
                seed=self._seed,
                dtype=self._dtype,
                devices=self._devices,
                commit=commit,
                description=description,
            )
            return
        context = self._settings.max_context_tokens
        if context is None:
            context = read_context_tokens(policy)
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
            gpus=self._devices.gpus_per_replica,
        )

    def score(self, answers: pl.DataFrame, *, description: str) -> None:
        """Return None: a judge scores the answers (`ask_judge`)."""

    def ask_judge(self, answers: pl.DataFrame, verdicts: Verdicts, *, description: str) -> int:
        """Request the missing verdicts on a model's answers from the judge.

        Args:
            answers: all rows of `benchmark_answers` of the model.
            verdicts: the measurement's verdicts, to which new verdicts are appended.
            description: label of the progress bar.

        Returns:
            The number of requests sent.
        """
        requests = self._list_judge_requests(answers)
        table = tabulate_requests(requests, self.judge_id)
        unanswered = verdicts.adopt_answers(table)
        by_id = dict(zip(table["request_id"], requests, strict=True))
        missing = [request for id_, request in by_id.items() if id_ in unanswered]
        with verdicts.append_chunks() as append:
            request_verdicts(
                missing,
                self._judge,
                self.judge_id,
                dtype=self._dtype,
                top_logprobs=self._task.top_logprobs,
                commit=append,
                description=description,
            )
        verdicts.adopt_answers(table)  # requests with equal messages were sent once
        return len(missing)

    def compute_results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Compute figures (`results.SUMMARY`) from the verdicts on the answers."""
        requests = tabulate_requests(self._list_judge_requests(answers), self.judge_id)
        counted = verdicts.join(
            requests, on=REQUEST, how="semi", nulls_equal=True, maintain_order="left"
        )
        return self._task.compute_figures(counted, self._read_texts(answers))

    def _list_judge_requests(self, answers: pl.DataFrame) -> list[VerdictRequest]:
        return [
            *add_repeats(
                self._task.list_requests(self._read_texts(answers)),
                items=self._settings.noise_items,
                repeats=self._settings.noise_repeats,
            )
        ]

    def _read_texts(self, answers: pl.DataFrame) -> dict[str, list[str]]:
        turns = dict(self._task.questions.select("item", pl.col("turns").list.len()).iter_rows())
        return {
            item: json.loads(answer) if turns[item] > 1 else [answer]
            for item, answer in answers.select("item", "answer").iter_rows()
        }
