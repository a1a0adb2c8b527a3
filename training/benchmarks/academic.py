"""Benchmarks of lm-evaluation-harness (paper, Table 3): requests, answers in chunks, scores.

Not here: prompts and metrics (`training.benchmarks.harness`), programs
(`training.benchmarks.programs`), the model (`training.benchmarks.language_models`), statistics
(`transforms.benchmarks.results`). All answers are greedy.

Deviations from `lm_eval` on the command line:
1. Answers are committed chunk by chunk, and a hash of its request identifies each answer: after an
   interruption only missing answers are requested. The harness's own cache uses the prompt only.
2. Figures have bootstrap intervals, clustered by subject for MMLU; the harness gives no intervals.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from lm_eval.api.instance import Instance
from tqdm import tqdm

from training.benchmarks.answer_replicas import AnswerSettings, answer_on_replicas
from training.benchmarks.harness import HARNESS, HarnessTask, open_tasks
from training.benchmarks.language_models import (
    LanguageModel,
    open_language_model,
    require_room,
)
from training.benchmarks.programs import extract_program, run_tests, score_outcome
from training.benchmarks.sandbox import require_isolation
from training.models.rendering import load_tokenizer, render_text
from training.settings.benchmarks import AcademicSettings, CodeLimits
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import ANSWERS, REQUESTS
from transforms.benchmarks.items import read_items
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.benchmarks.results import summarise
from transforms.identity import digest_settings
from transforms.public_sets.registry import HARNESSES, METRICS
from transforms.sources.files.content import fingerprint_origin
from transforms.sources.files.set_files import locate_parts

NO_ANSWER = "[invalid]"
"""The result of the harness's filters if they find nothing."""

Item = tuple[str, str]
"""Subset and item."""


class AcademicBenchmark:
    """One academic benchmark for any model (a `training.benchmarks.benchmark.Benchmark`)."""

    judge = None
    judge_id = None

    def __init__(
        self,
        settings: AcademicSettings,
        sampling: SamplingSettings,
        *,
        seed: int,
        dtype: str,
        devices: DeviceSettings = ONE_PROCESS,
    ) -> None:
        """Read the benchmark's data.

        Args:
            settings: the benchmark's settings.
            sampling: placement of the model in vLLM.
            seed: seed of the engine; answers are greedy.
            dtype: compute type.
            devices: replicas of the model that answer the requests, and GPUs of each.

        Raises:
            InputError: the data cannot be read, or has too few examples.
        """
        self.settings, self.sampling, self.seed, self.dtype = settings, sampling, seed, dtype
        self._devices = devices
        self.metric = METRICS[settings.benchmark]
        data = locate_parts(settings.benchmark, settings.data)
        items, examples = read_items(settings.benchmark, data, settings.limit)
        self.tasks = open_tasks(
            settings.benchmark,
            items,
            examples,
            shots=settings.examples,
            max_tokens=settings.max_tokens,
            chat=settings.chat_template,
        )
        self.source = f"{HARNESS}, {settings.engine} {_read_version(settings.engine)}"
        self.benchmark_id = digest_settings(
            {
                "data": {part: fingerprint_origin(origin) for part, origin in data.items()},
                "settings": settings.dump_decisive() | {"shots": settings.examples},
                "harness": HARNESS,
                "dtype": dtype,
            }
        )
        self._instances: dict[Item, list[list[Instance]]] = {}

    def list_requests(self, policy: Path) -> pl.DataFrame:
        """List the requests, one row per item; with `chat_template` they depend on the model."""
        template = _load_chat_template(policy) if self.settings.chat_template else None
        self._instances = {}
        for subset, tasks in self.tasks.items():
            for built in (task.build(template) for task in tasks):
                for item, instances in built.items():
                    self._instances.setdefault((subset, item), []).append(instances)
        rows = [
            {"subset": subset, "item": item, "repeat": 0, "request_id": self._hash_request(by_task)}
            for (subset, item), by_task in self._instances.items()
        ]
        return pl.DataFrame(rows, schema=REQUESTS)

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Request answers from the model, and commit them in chunks of `chunk_items` items.

        Raises:
            InputError: a prompt is longer than the model's context. No request was sent then; with
                replicas, none of the replica that has it.
        """
        if self._devices.in_processes:
            answer_on_replicas(
                AnswerSettings(benchmark=self.settings, sampling=self.sampling),
                policy,
                missing,
                seed=self.seed,
                dtype=self.dtype,
                devices=self._devices,
                commit=commit,
                description=description,
            )
            return
        with (
            open_language_model(
                policy,
                self.settings,
                self.sampling,
                seed=self.seed,
                dtype=self.dtype,
                gpus=self._devices.gpus_per_replica,
            ) as lm,
            tqdm(total=missing.height, desc=description, unit="item", disable=None) as bar,
        ):
            wanted = list(missing.select("subset", "item").iter_rows())
            require_room(
                lm,
                {
                    "/".join(item): [each for task in self._instances[item] for each in task]
                    for item in wanted
                },
            )
            for chunk in missing.iter_slices(self.settings.chunk_items):
                commit(self._answer_chunk(lm, chunk))
                bar.update(chunk.height)

    def score(self, answers: pl.DataFrame, *, description: str) -> pl.DataFrame | None:
        """Run the programs that have no score, if `run_code` is set.

        Raises:
            InputError: this machine cannot isolate a program; none was run then.
        """
        unscored = answers.filter(pl.col("score").is_null())
        if not self.settings.run_code or unscored.is_empty():
            return None
        require_isolation(self.settings.code)
        scored = []
        for row in tqdm(
            unscored.iter_rows(named=True),
            total=unscored.height,
            desc=description,
            unit="program",
            disable=None,
        ):
            doc = self._instances[row["subset"], row["item"]][0][0].doc
            scores = score_outcome(run_tests(doc, row["extracted"], self.settings.code))
            scored.append(row | {"score": scores[self.metric], "scores": _list_scores(scores)})
        others = answers.filter(pl.col("score").is_not_null())
        return pl.concat([others, pl.DataFrame(scored, schema=answers.schema)])

    def ask_judge(self, answers: pl.DataFrame, verdicts: Verdicts, *, description: str) -> int:
        """Return 0: there is no judge."""
        return 0

    def compute_results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Average the scores (`transforms.benchmarks.results`); there are no verdicts."""
        return summarise(answers, clustered=HARNESSES[self.settings.benchmark].clustered)

    def _hash_request(self, by_task: list[list[Instance]]) -> str:
        """Hash everything that an item's answer and score depend on, except the model.

        Limits of programs are part of it: stored scores are those of programs with these limits.
        """
        limits = self.settings.code
        return digest_settings(
            {
                "asked": [
                    [[each.request_type, *each.args] for each in instances] for instances in by_task
                ],
                "doc": by_task[0][0].doc,
                "engine": self.settings.engine,
                "dtype": self.dtype,
                "harness": HARNESS,
                **({} if limits == CodeLimits() else {"code": limits.model_dump()}),
            }
        )

    def _answer_chunk(self, lm: LanguageModel, chunk: pl.DataFrame) -> pl.DataFrame:
        by_item = [self._instances[item] for item in chunk.select("subset", "item").iter_rows()]
        reasons = _ask(lm, [each for tasks in by_item for task in tasks for each in task])
        rows = []
        for request, instances in zip(chunk.iter_rows(named=True), by_item, strict=True):
            tasks = self.tasks[request["subset"]]
            first = instances[0][0]
            scores: dict[str, float] = {}
            for task, own in zip(tasks, instances, strict=True):
                scores |= task.score(own)
            rows.append(
                request
                | {
                    "answer": first.resps[0]
                    if tasks[0].file.generates
                    else _write_loglikelihoods(tasks, instances),
                    "extracted": self._extract(tasks[0], instances[0]),
                    "score": scores.get(self.metric),
                    "scores": _list_scores(scores),
                    "finish_reason": reasons.get(id(first)),
                }
            )
        return pl.DataFrame(rows, schema=ANSWERS)

    def _extract(self, task: HarnessTask, instances: list[Instance]) -> str | None:
        """Return the scored part of an answer: a filter's result, or the likeliest choice."""
        first = instances[0]
        if not task.file.generates:
            choices = task.task.doc_to_choice(first.doc)
            likely = np.array([each.resps[0][0] for each in instances])
            if self.metric == "accuracy_norm":
                likely = likely / [len(choice) for choice in choices]
            return choices[int(likely.argmax())]
        if task.file.program:
            return extract_program(first.doc, first.resps[0], chat=self.settings.chat_template)
        key = task.find_filter(self.metric)
        found = first.filtered_resps[key]
        return None if found == NO_ANSWER else found


def _ask(lm: LanguageModel, requests: list[Instance]) -> dict[int, str]:
    """Send requests to the model and store its responses in them; return finish reasons by id()."""
    scored = [each for each in requests if each.request_type == "loglikelihood"]
    texts = [each for each in requests if each.request_type == "generate_until"]
    reasons = {}
    if scored:
        for each, found in zip(scored, lm.loglikelihood(scored, disable_tqdm=True), strict=True):
            each.resps = [found]
    if texts:
        for each, text in zip(texts, lm.generate_until(texts, disable_tqdm=True), strict=True):
            each.resps = [text]
        reasons = dict(zip(map(id, texts), lm.finish_reasons, strict=True))
    return reasons


def _list_scores(scores: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"metric": name, "value": value} for name, value in scores.items()]


def _write_loglikelihoods(tasks: Iterable[HarnessTask], instances: list[list[Instance]]) -> str:
    """Write the log-likelihoods of the choices (nats) as JSON, by task."""
    return json.dumps(
        {
            task.task.task_name: [round(each.resps[0][0], 6) for each in own]
            for task, own in zip(tasks, instances, strict=True)
        }
    )


def _load_chat_template(policy: Path) -> Callable[..., str]:
    """Return a function that renders messages with the model's chat template."""
    tokenizer = load_tokenizer(policy, pads=False)

    def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return render_text(tokenizer, messages, continue_last=not add_generation_prompt)

    return render


def _read_version(engine: str) -> str:
    """Return the version of an engine; vLLM's package for the CPU has another name."""
    try:
        return version(engine)
    except PackageNotFoundError:
        return version(f"{engine}-cpu")
