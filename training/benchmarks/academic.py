"""A benchmark that lm-evaluation-harness measures a model on (paper, Table 3).

Lives here: requests with their identity, answers in chunks, scores. Not here: prompts and metrics
(`training.benchmarks.harness`), programs (`training.benchmarks.programs`), the model
(`training.benchmarks.language_models`), statistics (`transforms.benchmarks.results`). Every answer
is greedy.

Deviations from `lm_eval` on the command line:
1. Answers are committed chunk by chunk, and each is known by a hash of what was asked: a killed run
   asks for what is missing. The harness's own cache is keyed by prompt alone.
2. Figures have intervals of a bootstrap, MMLU's clustered by subject; the harness's have not.
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

from training.benchmarks.harness import HARNESS, HarnessTask, harness_tasks
from training.benchmarks.language_models import (
    LanguageModel,
    open_language_model,
    require_room,
)
from training.benchmarks.programs import program_of, run_tests, scores_of
from training.benchmarks.sandbox import require_isolation
from training.models.rendering import load_tokenizer, render_text
from training.settings.benchmarks import AcademicSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import ANSWERS, REQUESTS
from transforms.benchmarks.items import read_items
from transforms.benchmarks.results import summarise
from transforms.identity import digest_settings
from transforms.public_sets.registry import HARNESSES, METRICS
from transforms.sources.files.reading import fingerprint_origin
from transforms.sources.files.set_files import locate_parts

NO_ANSWER = "[invalid]"
"""What the harness's filters return where they find nothing."""

Item = tuple[str, str]
"""Subset and item."""


class AcademicBenchmark:
    """One academic benchmark, ready to be put to any model."""

    judge_id = None

    def __init__(
        self, settings: AcademicSettings, sampling: SamplingSettings, *, seed: int, dtype: str
    ) -> None:
        """Read the benchmark's data.

        Args:
            settings: which benchmark, shots, limit, engine.
            sampling: where vLLM places a model.
            seed: of the engine; all that is asked is greedy.
            dtype: compute type.

        Raises:
            InputError: the data cannot be read, or has too few examples.
        """
        self.settings, self.sampling, self.seed, self.dtype = settings, sampling, seed, dtype
        self.metric = METRICS[settings.benchmark]
        data = locate_parts(settings.benchmark, settings.data)
        items, examples = read_items(settings.benchmark, data, settings.limit)
        self.tasks = harness_tasks(
            settings.benchmark,
            items,
            examples,
            shots=settings.examples,
            max_tokens=settings.max_tokens,
            chat=settings.chat_template,
        )
        self.source = f"{HARNESS}, {settings.engine} {_version(settings.engine)}"
        self.benchmark_id = digest_settings(
            {
                "data": {part: fingerprint_origin(origin) for part, origin in data.items()},
                "settings": settings.dump_decisive() | {"shots": settings.examples},
                "harness": HARNESS,
                "dtype": dtype,
            }
        )
        self._asked: dict[Item, list[list[Instance]]] = {}

    def requests(self, policy: Path) -> pl.DataFrame:
        """List what the model is asked, one row per item; prompts may hold its chat template."""
        template = _chat_template(policy) if self.settings.chat_template else None
        self._asked = {}
        for subset, tasks in self.tasks.items():
            for built in (task.build(template) for task in tasks):
                for item, instances in built.items():
                    self._asked.setdefault((subset, item), []).append(instances)
        rows = [
            {"subset": subset, "item": item, "repeat": 0, "request_id": self._identify(asked)}
            for (subset, item), asked in self._asked.items()
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
        """Have the model answer, and commit `chunk_items` items at a time.

        Raises:
            InputError: a prompt is longer than the model's context; nothing has been asked then.
        """
        with (
            open_language_model(
                policy, self.settings, self.sampling, seed=self.seed, dtype=self.dtype
            ) as lm,
            tqdm(total=missing.height, desc=description, unit="item", disable=None) as bar,
        ):
            wanted = list(missing.select("subset", "item").iter_rows())
            asked = {item: [one for task in self._asked[item] for one in task] for item in wanted}
            require_room(lm, {"/".join(item): requests for item, requests in asked.items()})
            for chunk in missing.iter_slices(self.settings.chunk_items):
                commit(self._answer_chunk(lm, chunk))
                bar.update(chunk.height)

    def score(self, answers: pl.DataFrame, *, description: str) -> pl.DataFrame | None:
        """Run programs that have not been run, if the settings ask for it.

        Raises:
            InputError: this machine cannot isolate a program; none has run then.
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
            doc = self._asked[row["subset"], row["item"]][0][0].doc
            scores = scores_of(run_tests(doc, row["extracted"], self.settings.code))
            scored.append(row | {"score": scores[self.metric], "scores": _listed(scores)})
        others = answers.filter(pl.col("score").is_not_null())
        return pl.concat([others, pl.DataFrame(scored, schema=answers.schema)])

    def results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Average the scores (`transforms.benchmarks.results`); there are no verdicts."""
        return summarise(answers, clustered=HARNESSES[self.settings.benchmark].clustered)

    def _identify(self, asked: list[list[Instance]]) -> str:
        """Hash all that an item's answer and score depend on, the model aside."""
        return digest_settings(
            {
                "asked": [
                    [[one.request_type, *one.args] for one in instances] for instances in asked
                ],
                "doc": asked[0][0].doc,
                "engine": self.settings.engine,
                "dtype": self.dtype,
                "harness": HARNESS,
            }
        )

    def _answer_chunk(self, lm: LanguageModel, chunk: pl.DataFrame) -> pl.DataFrame:
        asked = [self._asked[item] for item in chunk.select("subset", "item").iter_rows()]
        reasons = _ask(lm, [one for tasks in asked for task in tasks for one in task])
        rows = []
        for request, instances in zip(chunk.iter_rows(named=True), asked, strict=True):
            tasks = self.tasks[request["subset"]]
            first = instances[0][0]
            scores = {}
            for task, own in zip(tasks, instances, strict=True):
                scores |= task.score(own)
            rows.append(
                request
                | {
                    "answer": first.resps[0]
                    if tasks[0].file.generates
                    else _as_json(tasks, instances),
                    "extracted": self._extract(tasks[0], instances[0]),
                    "score": scores.get(self.metric),
                    "scores": _listed(scores),
                    "finish_reason": reasons.get(id(first)),
                }
            )
        return pl.DataFrame(rows, schema=ANSWERS)

    def _extract(self, task: HarnessTask, instances: list[Instance]) -> str | None:
        """Return what an answer was read as: what a filter found, or the likeliest choice."""
        first = instances[0]
        if not task.file.generates:
            choices = task.task.doc_to_choice(first.doc)
            likely = np.array([one.resps[0][0] for one in instances])
            if self.metric == "accuracy_norm":
                likely = likely / [len(choice) for choice in choices]
            return choices[int(likely.argmax())]
        if task.file.program:
            return program_of(first.doc, first.resps[0], chat=self.settings.chat_template)
        key = task.filter_of(self.metric)
        found = first.filtered_resps[key]
        return None if found == NO_ANSWER else found


def _ask(lm: LanguageModel, requests: list[Instance]) -> dict[int, str]:
    """Put requests to the model and note its responses; why each text ended, by object."""
    scored = [one for one in requests if one.request_type == "loglikelihood"]
    texts = [one for one in requests if one.request_type == "generate_until"]
    reasons = {}
    if scored:
        for one, found in zip(scored, lm.loglikelihood(scored, disable_tqdm=True), strict=True):
            one.resps = [found]
    if texts:
        for one, text in zip(texts, lm.generate_until(texts, disable_tqdm=True), strict=True):
            one.resps = [text]
        reasons = dict(zip(map(id, texts), lm.finish_reasons, strict=True))
    return reasons


def _listed(scores: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"metric": name, "value": value} for name, value in scores.items()]


def _as_json(tasks: Iterable[HarnessTask], instances: list[list[Instance]]) -> str:
    """Write the log-likelihoods of the choices, nats, by task."""
    return json.dumps(
        {
            task.task.task_name: [round(one.resps[0][0], 6) for one in own]
            for task, own in zip(tasks, instances, strict=True)
        }
    )


def _chat_template(policy: Path) -> Callable[..., str]:
    """Render messages as text by the model's own template."""
    tokenizer = load_tokenizer(policy, pads=False)

    def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return render_text(tokenizer, messages, finished=not add_generation_prompt)

    return render


def _version(engine: str) -> str:
    """Version of an engine; vLLM's package for the CPU has a name of its own."""
    try:
        return version(engine)
    except PackageNotFoundError:
        return version(f"{engine}-cpu")
