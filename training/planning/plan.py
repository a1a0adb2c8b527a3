"""The plan of a recipe: its work, its memory, and the facts that the numbers rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from training.planning import speed
from training.planning.facts import Fact
from training.planning.gpus import GPUS, Gpu
from training.planning.loads import Lengths, Loads
from training.planning.model_size import ModelSize, find_model_size
from training.planning.summary import tabulate_memory, tabulate_work
from training.planning.trainings import Work
from training.planning.work import Planner, list_unplanned
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.sources.catalog.published_sizes import TABLE_1, mean_prompt_tokens

RESPONSE_TOKENS = 656
"""Mean tokens of the responses of the paper's last 8B policy (Table 6, on Chat-Arena-Hard)."""


@dataclass(frozen=True)
class Plan:
    """What a recipe will need."""

    size: ModelSize
    gpu: Gpu | None
    works: Sequence[Work]
    lengths: Sequence[Fact]
    """Facts of the lengths of prompts and responses."""
    facts: Sequence[Fact]
    """Every fact, in the order in which they are shown."""
    unplanned: Sequence[str]
    """What is not in the numbers."""

    def tabulate(self) -> pl.DataFrame:
        """Return one row per asset and experiment (`training.planning.summary.WORK`)."""
        return tabulate_work(self.works, self.lengths)

    def tabulate_memory(self) -> pl.DataFrame:
        """Return the memory of each stage on the GPU; no rows without a GPU."""
        return pl.DataFrame() if self.gpu is None else tabulate_memory(self.works, self.gpu)


def make_plan(recipe: Recipe, lake: Lake) -> Plan:
    """Plan a recipe; nothing is downloaded and nothing runs.

    Args:
        recipe: the study; without `plan.gpu`, neither hours nor memory are predicted.
        lake: its lake, which may be empty.

    Raises:
        InputError: the size of the model is unknown.
    """
    size = find_model_size(recipe)
    prompt, response = _find_lengths(recipe, lake)
    gpu = recipe.plan.gpu
    device = None if gpu is None else GPUS[gpu]
    loads = Loads(recipe, size.architecture, device, Lengths(prompt.value, response.value))
    works = Planner(recipe, loads, lake).plan()
    of_data = [fact for work in works if work.examples for fact in work.examples.facts]
    prompts = Fact(
        "prompts per iteration", recipe.splits.prompts_per_iteration, "", "recipe",
        "splits.prompts_per_iteration, if the sources have as many",
    )  # fmt: skip
    facts = [size.weights, *of_data, prompts, prompt, response]
    if gpu is not None and device is not None:
        facts += _describe_gpu(gpu, device) + _describe_efficiency(recipe)
    return Plan(size, device, works, (prompt, response), facts, list_unplanned(recipe, works))


def _find_lengths(recipe: Recipe, lake: Lake) -> tuple[Fact, Fact]:
    """Return the mean tokens of a prompt and of a sampled response."""
    sampling, given = recipe.loop.sampling, recipe.plan
    room = sampling.max_context_tokens - sampling.max_tokens
    prompt = Fact(
        "mean tokens of a prompt", min(mean_prompt_tokens(), room), "tokens", "assumed",
        f"mean of all prompts, {TABLE_1}",
    )  # fmt: skip
    if given.prompt_tokens:
        prompt = _give("mean tokens of a prompt", given.prompt_tokens, "plan.prompt_tokens")
    name = "mean tokens of a response"
    if given.response_tokens:
        return prompt, _give(name, given.response_tokens, "plan.response_tokens")
    known = lake.scan_or_empty("generations").select(pl.col("response_tokens").mean())
    mean = known.collect().item()
    if mean is not None:
        return prompt, Fact(name, mean, "tokens", "measured", "the lake's generations")
    tokens = min(RESPONSE_TOKENS, sampling.max_tokens)
    return prompt, Fact(name, tokens, "tokens", "assumed", "paper, Table 6: its last 8B policy")


def _give(name: str, value: float, setting: str) -> Fact:
    return Fact(name, value, "tokens", "recipe", setting)


def _describe_gpu(name: str, gpu: Gpu) -> list[Fact]:
    source = f"NVIDIA's data sheet, {name}"
    return [
        Fact("peak rate, dense bfloat16", gpu.flops / 1e12, "TFLOP/s", "published", source),
        Fact("memory", gpu.memory_bytes / 1e9, "GB", "published", source),
        Fact("memory bandwidth", gpu.bandwidth / 1e9, "GB/s", "published", source),
    ]


def _describe_efficiency(recipe: Recipe) -> list[Fact]:
    names = {
        "training_efficiency": "share of the peak rate in training",
        "forward_efficiency": "share of the peak rate in a forward pass",
        "decode_efficiency": "share of the bandwidth in decoding",
    }
    given = recipe.plan.model_fields_set
    shares = [
        Fact(
            text, getattr(recipe.plan, name), "", "recipe" if name in given else "assumed",
            f"plan.{name}",
        )
        for name, text in names.items()
    ]  # fmt: skip
    start = Fact("start of an engine", speed.ENGINE_START_S, "s", "assumed", "vLLM's compilation")
    return [*shares, start]
