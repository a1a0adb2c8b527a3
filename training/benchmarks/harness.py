"""Tasks of lm-evaluation-harness on local rows: its published prompts and metrics, without the hub.

Not here: the tasks of a set (`transforms.public_sets`), its items (`transforms.benchmarks.items`),
running a model (`training.benchmarks.language_models`), programs (`training.benchmarks.programs`).
Source: https://github.com/EleutherAI/lm-evaluation-harness, the tasks of the installed version.

The task files refer to datasets of the hub. Here `custom_dataset` gives the harness local rows, so
nothing is downloaded. The metric of HumanEval and MBPP is code that is downloaded at import and
runs programs in this process: only their prompts are used, not their metric.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
import lm_eval.utils
import polars as pl
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from transforms.errors import InputError
from transforms.public_sets.benchmark_set import TaskFile
from transforms.public_sets.registry import HARNESSES

# The harness warns for each of 57 subjects that the dataset is custom, which is intended.
logging.getLogger("lm_eval").setLevel(logging.ERROR)

# The harness compiles a template for every text: ten minutes instead of one for all of MMLU.
lm_eval.utils.env.from_string = lru_cache(lm_eval.utils.env.from_string)

TASKS = Path(lm_eval.tasks.__file__).parent
HARNESS = f"lm_eval {version('lm_eval')}"
SHOTS_SEED = 1234
"""The harness's default seed for the selection of examples (`--seed`)."""

DEFAULT_MAX_TOKENS = 256
"""The harness's limit of a generated answer in tokens, if a task file has none."""
OTHER_SPLITS = ("training_split", "validation_split")
"""Keys of a task file for splits that the data may not have."""


class HarnessTask:
    """One task of the harness over the items of one subset."""

    def __init__(
        self,
        file: TaskFile,
        subset: str,
        items: pl.DataFrame,
        examples: pl.DataFrame | None,
        *,
        shots: int,
        max_tokens: int | None,
    ) -> None:
        """Read the task file and give it the rows.

        Args:
            file: description of the task.
            subset: subset of the items.
            items: subset, item and the task's columns.
            examples: rows for few-shot examples; None if the task file contains examples.
            shots: number of examples in a prompt.
            max_tokens: largest number of tokens of a generated answer; None uses the harness's.

        Raises:
            InputError: the harness has no such task, or there are fewer examples than shots.
        """
        path = TASKS / file.path.format(subset=subset)
        if not path.is_file():
            raise InputError(
                f"subset {subset} cannot be measured",
                expected=f"a task file {path.name} of {HARNESS}",
                found="none",
                remedy="use the published data: its subsets are known to the harness",
            )
        self.file, self.items = file, items["item"].to_list()
        config = load_yaml(path, resolve_func=not file.program)
        splits = {config.get("test_split") or config["validation_split"]: _build_dataset(items)}
        if examples is not None:
            splits[config.get("fewshot_split") or config.get("training_split") or "examples"] = (
                _build_dataset(examples)
            )
        config |= {split: None for split in OTHER_SPLITS if config.get(split) not in splits}
        if file.program:
            config |= _replace_metric(examples, shots)
        if file.generates:
            config["generation_kwargs"] |= {"max_gen_toks": max_tokens or _read_max_tokens(config)}
        config |= {"custom_dataset": lambda **_: splits, "num_fewshot": shots}
        self.task = ConfigurableTask(config=config)
        self.task.set_fewshot_seed(SHOTS_SEED)
        _require_examples(subset, self.task, shots)

    def build(self, chat_template: Callable[..., str] | None) -> dict[str, list[Instance]]:
        """Build the requests of all items, in order: the harness samples examples in this order.

        Args:
            chat_template: renders messages; None gives plain text.
        """
        template = {
            "apply_chat_template": chat_template is not None,
            "chat_template": chat_template,
        }
        built = {}
        for number, doc in self.task.doc_iterator():
            prefix = self.task.doc_to_prefix(doc)
            context = self.task.fewshot_context(
                doc, self.task.config.num_fewshot, gen_prefix=prefix, **template
            )
            asked = self.task.construct_requests(
                doc, context, metadata=(self.task.task_name, number, 1), **template
            )
            built[self.items[number]] = asked if isinstance(asked, list) else [asked]
        return built

    def find_filter(self, metric: str) -> str:
        """Return the name of a metric's filter of answers; `none` for programs."""
        return next((key for (key, _), name in self.file.metrics.items() if name == metric), "none")

    def score(self, instances: list[Instance]) -> dict[str, float]:
        """Score one item's answered requests by the harness's filters and metrics."""
        self.task._instances = instances
        self.task.apply_filters()
        scores = {}
        for (key, metric), name in self.file.metrics.items():
            answers = [instance.filtered_resps[key] for instance in instances]
            scores[name] = float(self.task.process_results(instances[0].doc, answers)[metric])
        return scores


def open_tasks(
    benchmark: str,
    items: pl.DataFrame,
    examples: pl.DataFrame | None,
    *,
    shots: int,
    max_tokens: int | None = None,
    chat: bool = False,
) -> dict[str, list[HarnessTask]]:
    """Open the tasks of a benchmark for each subset of its items.

    Args:
        benchmark: name of the set.
        items: subset, item and the tasks' columns.
        examples: rows for few-shot examples; with a column `subset`, each subset uses its own.
        shots: number of examples in a prompt.
        max_tokens: largest number of tokens of a generated answer; None uses the harness's.
        chat: whether prompts are rendered with a chat template.

    Raises:
        InputError: as in `HarnessTask`.
    """
    harness = HARNESSES[benchmark]
    files = (harness.chat_tasks if chat else ()) or harness.tasks
    subsets: dict[str, list[HarnessTask]] = {}
    for (subset,), rows in items.group_by("subset", maintain_order=True):
        own = examples
        if own is not None and "subset" in own.columns:
            own = own.filter(subset=subset)
        subsets[subset] = [
            HarnessTask(file, subset, rows, own, shots=shots, max_tokens=max_tokens)
            for file in files
        ]
    return subsets


def _read_max_tokens(config: dict[str, Any]) -> int:
    """Return the task file's limit of an answer in tokens, or the harness's default."""
    return config["generation_kwargs"].get("max_gen_toks", DEFAULT_MAX_TOKENS)


def _build_dataset(rows: pl.DataFrame) -> datasets.Dataset:
    return datasets.Dataset(rows.to_arrow())


def _replace_metric(examples: pl.DataFrame | None, shots: int) -> dict[str, Any]:
    """Return changes to a program task's configuration: no metric, and answers unfiltered."""
    rows = [] if examples is None else examples.with_columns(is_fewshot=True).to_dicts()
    return {
        "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
        "filter_list": None,
        "unsafe_code": False,
        "fewshot_config": {"sampler": "first_n", "samples": rows} if shots else None,
    }


def _require_examples(subset: str, task: ConfigurableTask, shots: int) -> None:
    found = len(task.sampler.df) if shots and hasattr(task, "sampler") else 0
    if found < shots:
        raise InputError(
            f"{subset} has too few examples",
            expected=f"{shots} shots",
            found=f"{found} examples",
            remedy="lower `shots`, or add the part of the data with the examples",
        )
