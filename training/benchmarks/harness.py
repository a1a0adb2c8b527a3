"""Tasks of lm-evaluation-harness over local rows: its published prompts and metrics, no hub.

Lives here: the harness's own task files with the data put in, the requests of an item, the scores
of its answers. Not here: which tasks a set has (`transforms.public_sets`), its items
(`transforms.benchmarks.items`), running a model (`training.benchmarks.language_models`), programs
(`training.benchmarks.programs`).
Source: https://github.com/EleutherAI/lm-evaluation-harness, the tasks of the installed version.

The task files name datasets of the hub; here `custom_dataset` gives the harness the rows instead,
so that nothing is fetched. HumanEval and MBPP name a metric that is downloaded when it is imported
and then runs programs in this process: their prompts are taken, and their metric is not.
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

# It warns for each of 57 subjects that the dataset is custom, which is what is wanted.
logging.getLogger("lm_eval").setLevel(logging.ERROR)

# It compiles a template anew for every text it writes: a minute for MMLU's questions becomes ten.
lm_eval.utils.env.from_string = lru_cache(lm_eval.utils.env.from_string)

TASKS = Path(lm_eval.tasks.__file__).parent
HARNESS = f"lm_eval {version('lm_eval')}"
SHOTS_SEED = 1234
"""Seed with which the harness draws examples (`--seed`, its default)."""

DEFAULT_MAX_TOKENS = 256
"""Tokens of a generated answer under the harness, where a task file has no limit."""
OTHER_SPLITS = ("training_split", "validation_split")
"""Splits that a task file names, and that the data may lack."""


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
        """Read the task's file and put the rows in.

        Args:
            file: of the task.
            subset: whose items these are.
            items: subset, item and the task's columns.
            examples: rows that shots are taken from; None where the task has them itself.
            shots: examples in a prompt.
            max_tokens: most tokens of a generated answer; None takes the harness's.

        Raises:
            InputError: the harness has no such task, or there are fewer examples than shots.
        """
        path = TASKS / file.path.format(subset=subset)
        if not path.is_file():
            raise InputError(
                f"subset {subset} cannot be measured",
                expected=f"a task file {path.name} of {HARNESS}",
                found="none",
                remedy="name the published data: its subsets are those that the harness knows",
            )
        self.file, self.items = file, items["item"].to_list()
        config = load_yaml(path, resolve_func=not file.program)
        splits = {config.get("test_split") or config["validation_split"]: _docs(items)}
        if examples is not None:
            splits[config.get("fewshot_split") or config.get("training_split") or "examples"] = (
                _docs(examples)
            )
        config |= {split: None for split in OTHER_SPLITS if config.get(split) not in splits}
        if file.program:
            config |= _without_metric(config, examples, shots)
        if file.generates:
            config["generation_kwargs"] |= {"max_gen_toks": max_tokens or _max_tokens(config)}
        config |= {"custom_dataset": lambda **_: splits, "num_fewshot": shots}
        self.task = ConfigurableTask(config=config)
        self.task.set_fewshot_seed(SHOTS_SEED)
        _require_examples(subset, self.task, shots)

    def build(self, chat_template: Callable[..., str] | None) -> dict[str, list[Instance]]:
        """Build the requests of every item in order, since the harness samples examples in order.

        Args:
            chat_template: renders messages; None leaves the bare text.
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

    def filter_of(self, metric: str) -> str:
        """Name the filter that a metric's answers pass through; a program passes as it is."""
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


def harness_tasks(
    benchmark: str,
    items: pl.DataFrame,
    examples: pl.DataFrame | None,
    *,
    shots: int,
    max_tokens: int | None = None,
    chat: bool = False,
) -> dict[str, list[HarnessTask]]:
    """Open the tasks of a benchmark: by subset, those that ask about its items.

    Args:
        benchmark: which it is.
        items: subset, item and the tasks' columns.
        examples: rows that shots are taken from, of each subset where they have one.
        shots: examples in a prompt.
        max_tokens: most tokens of a generated answer; None takes the harness's.
        chat: whether prompts are put into a chat template.

    Raises:
        InputError: as `HarnessTask`.
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


def _max_tokens(config: dict[str, Any]) -> int:
    """Look up the longest answer that a task file allows; the harness's default is 256."""
    return config["generation_kwargs"].get("max_gen_toks", DEFAULT_MAX_TOKENS)


def _docs(rows: pl.DataFrame) -> datasets.Dataset:
    return datasets.Dataset(rows.to_arrow())


def _without_metric(
    config: dict[str, Any], examples: pl.DataFrame | None, shots: int
) -> dict[str, Any]:
    """Keep a program task's prompt, and let its answer through as it is."""
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
            remedy="lower `shots`, or name the part of the data that has the examples",
        )
