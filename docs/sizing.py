"""The tables of docs/guide/sizing.md: what an iteration needs at several numbers of prompts.

    python docs/sizing.py       # `make docs`

Tokens, GPU-hours and bytes are those of `prefloop plan`; commits follow from the settings' default
values and measured times. A test checks that the page is up to date.
"""

import math
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from training.planning.disk import ROW_BYTES, TOKEN_BYTES
from training.planning.facts import Fact
from training.planning.plan import Plan, make_plan
from training.recipe import Recipe
from training.recipe_file import load_recipe
from transforms.formats import format_digits, format_quantity
from transforms.lake.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "sizing.md"
RECIPE = ROOT / "recipes" / "llama3_8b.yaml"
EXPERIMENT = "paper"
SIZES = {20_000: 8, 200_000: 64, 20_000_000: 512}
"""GPUs by prompts of an iteration."""
BATCH = 128
"""Batch size of the recipe's DPO, one example per GPU: more GPUs cannot train."""
GB = 1e9
SCALE = "docs/measured/scale.md"
MEMORY = "docs/measured/memory.md"

COMMIT_MS = Fact("a commit of a new table", 32, "ms of a processor", "measured", SCALE)
VERSION_US = Fact("more per version of the table", 24, "µs of a processor", "measured", SCALE)
ROW_US = Fact("the driver, per response", 60, "µs of a processor", "measured", SCALE)
NAME_BYTES = Fact("a chunk's name in a checkpoint of the log", 43, "bytes", "measured", SCALE)
LOGP_BYTES = Fact("DPO's token ids", 8.8, "bytes per token", "measured", MEMORY)
PROMPT_BYTES = Fact("collecting prompts", 407, "bytes per row", "measured", MEMORY)
TEXT = Fact("text of a table", TOKEN_BYTES, "bytes per token", "assumed", "plan: not compressed")
ROW = Fact("keys and numbers of a row", ROW_BYTES, "bytes", "assumed", "plan")
PRICE = Fact("a GPU-hour", 3, "dollars", "assumed", "this page")
STORE_PRICE = Fact("a GB-month in a store", 0.023, "dollars", "assumed", "this page")
HOST = Fact("memory of the driver's machine", 512, "GB", "assumed", "this page")
DAYS = Fact("time that an iteration may take", 30, "days", "assumed", "this page")
DISK = Fact("room for the lake", 20_000, "GB", "assumed", "this page")
FACTS = (
    COMMIT_MS, VERSION_US, ROW_US, NAME_BYTES, LOGP_BYTES, PROMPT_BYTES, TEXT, ROW, PRICE,
    STORE_PRICE, HOST, DAYS, DISK,
)  # fmt: skip

BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Size:
    """One iteration, planned."""

    prompts: int
    gpus: int
    recipe: Recipe
    plan: Plan
    work: Mapping[str, Mapping[str, float]]
    """Rows of `Plan.tabulate` by the noun of their asset."""

    @property
    def responses(self) -> int:
        """Return the sampled responses."""
        return self.prompts * self.recipe.loop.sampling.n

    @property
    def gpu_hours(self) -> float:
        """Return the hours in which GPUs are busy: sampling, scores, reference, training."""
        return sum(one["gpu_s"] or 0 for one in self.work.values()) / 3600

    @property
    def hours(self) -> float:
        """Return the hours on the clock, one stage after the other."""
        return sum(one["elapsed_s"] or 0 for one in self.work.values()) / 3600

    @property
    def dollars(self) -> float:
        """Return the price of all GPUs, which are paid for all the time."""
        return self.hours * self.gpus * PRICE.value

    @property
    def chunks(self) -> int:
        """Return the chunks of responses."""
        return math.ceil(self.prompts / self.recipe.loop.sampling.chunk_prompts)

    @property
    def commits(self) -> int:
        """Return the commits of responses: one per `commits.rows` or `commits.seconds`."""
        by_rows = self.responses / self.recipe.commits.rows
        by_time = self.work["generations"]["elapsed_s"] / self.recipe.commits.seconds
        return math.ceil(min(self.chunks, max(by_rows, by_time)))

    @property
    def bytes(self) -> float:
        """Return the bytes of responses, scores and pairs."""
        return sum(self.work[noun]["bytes"] for noun in ("generations", "scores", "dpo_pairs"))

    @property
    def row_tokens(self) -> float:
        """Return the mean tokens of a prompt with a response."""
        return sum(fact.value for fact in self.plan.lengths)

    def use_limits(self) -> dict[str, float]:
        """Return the share of its limit that each part uses."""
        sampling_s = self.work["generations"]["elapsed_s"]
        row = self.row_tokens * TEXT.value + ROW.value
        return {
            "time on the clock": self.hours / (24 * DAYS.value),
            "memory: pairing the responses": self.responses * row / (HOST.value * GB),
            "memory: DPO's token ids": (
                self.prompts * 2 * self.row_tokens * LOGP_BYTES.value / (HOST.value * GB)
            ),
            "memory: collecting prompts": self.prompts * PROMPT_BYTES.value / (HOST.value * GB),
            "disk: tables of the iteration": self.bytes / (DISK.value * GB),
            "driver: one core while engines sample": (
                self.responses * ROW_US.value / 1e6 / sampling_s
            ),
            "commits, one per chunk": time_commits(self.chunks) / sampling_s,
            "commits, merged": time_commits(self.commits) / sampling_s,
        }


def time_commits(count: float) -> float:
    """Return the processor seconds of commits to a new table, without their rows."""
    return count * COMMIT_MS.value / 1e3 + count**2 / 2 * VERSION_US.value / 1e6


def plan_size(prompts: int, gpus: int) -> Size:
    """Plan one iteration with a number of prompts."""
    recipe = load_recipe(
        RECIPE,
        (
            f"splits.prompts_per_iteration={prompts}",
            "loop.iterations=1",
            f"devices.replicas={gpus}",
            f"loop.dpo.processes={min(gpus, BATCH)}",
            "plan.gpu=h100-80gb",
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(recipe, Lake(folder))
    rows = plan.tabulate().filter(experiment=EXPERIMENT)
    work = {
        row["asset"].partition("/")[2]: row
        for row in rows.filter(pl.col("asset").str.starts_with("iteration_1/")).to_dicts()
    }
    return Size(prompts, gpus, recipe, plan, work)


def write_sizes(sizes: Sequence[Size]) -> str:
    """Return the table of sizes."""
    lines: dict[str, list[str]] = {
        "GPUs (assumed)": [str(size.gpus) for size in sizes],
        "responses, rows": [format_quantity(size.responses) for size in sizes],
        "tokens sampled": [_tokens(size, "generations") for size in sizes],
        "tokens read for scores": [_tokens(size, "scores") for size in sizes],
        "tokens trained (DPO)": [_tokens(size, "policy") for size in sizes],
        "bytes of the tables": [_bytes(size.bytes) for size in sizes],
        "chunks of responses": [f"{size.chunks:,}" for size in sizes],
        "commits of responses": [f"{size.commits:,}" for size in sizes],
        "names of chunks in the log": [_bytes(size.chunks * NAME_BYTES.value) for size in sizes],
        "GPU-hours, busy": [format_digits(size.gpu_hours) for size in sizes],
        "hours on the clock": [format_digits(size.hours) for size in sizes],
        "dollars of GPUs": [f"{round(size.dollars):,}" for size in sizes],
        "dollars per month of store": [
            format_digits(size.bytes / GB * STORE_PRICE.value) for size in sizes
        ],
    }
    return _table(["prompts x 8", *(format_quantity(size.prompts) for size in sizes)], lines)


def write_limits(sizes: Sequence[Size]) -> str:
    """Return the table of the shares of limits, with the limit that is reached first."""
    used = [size.use_limits() for size in sizes]
    lines = {name: [_percent(one[name]) for one in used] for name in used[0]}
    avoided = "commits, one per chunk"
    first = [max((name for name in one if name != avoided), key=one.__getitem__) for one in used]
    lines["**largest share, reached first**"] = [
        f"{name}, {_percent(one[name])}" for name, one in zip(first, used, strict=True)
    ]
    return _table(["share of the limit", *(format_quantity(s.prompts) for s in sizes)], lines)


def write_facts(sizes: Sequence[Size]) -> str:
    """Return the table of the numbers that the others rest on."""
    return _table(
        ["number", "value", "origin", "source"],
        {
            fact.name: [f"{fact.value:,g} {fact.unit}", fact.origin, fact.source]
            for fact in (*FACTS, *sizes[0].plan.lengths)
        },
    )


def write_page() -> str:
    """Return the page with tables of the present code."""
    sizes = [plan_size(prompts, gpus) for prompts, gpus in SIZES.items()]
    tables = {
        "sizes": write_sizes(sizes),
        "limits": write_limits(sizes),
        "facts": write_facts(sizes),
    }
    return BLOCK.sub(
        lambda block: f"{block[1]}{tables[block[2]]}{block[3]}", PAGE.read_text(encoding="utf-8")
    )


def _tokens(size: Size, noun: str) -> str:
    return format_quantity(size.work[noun]["tokens"])


def _bytes(count: float) -> str:
    return format_quantity(count).replace("B", "G") + "B"


def _percent(share: float) -> str:
    return f"{format_digits(100 * share)} %"


def _table(head: Iterable[str], lines: Mapping[str, Sequence[str]]) -> str:
    names = [*head]
    rows = [names, ["---"] * len(names), *([name, *cells] for name, cells in lines.items())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
