"""Section of the facts of a lake: experiments, sizes, models, times, software, settings.

Not here: results (`transforms.views.page.sections.answer`).
"""

from collections.abc import Iterator

import polars as pl

from transforms.formats import format_seconds, shorten_id
from transforms.lake.asset_names import INITIAL_POLICIES
from transforms.lake.records import checkpoints
from transforms.lake.schemas.table import ORDER, SHARED
from transforms.lake.transaction_log import list_commits, read_commits
from transforms.views.page.blocks import Block, Fact, Facts, Section
from transforms.views.page.cells import format_bytes, format_cell, make_table
from transforms.views.page.experiment_settings import list_settings
from transforms.views.page.opened_lake import Source

TABLES = {
    "preference_pairs": "preference pairs",
    "demonstrations": "demonstrations",
    "prompts": "prompts",
    "generations": "sampled responses",
    "dpo_pairs": "DPO pairs",
    "evaluation_responses": "evaluation responses",
}
"""Tables whose sizes are shown, with the noun for their rows."""


def show_study(source: Source) -> Section:
    """Show what was run, when, with which data and models."""
    made = source.table("materializations")
    blocks: list[Block] = []
    if made.height:
        blocks = [
            Facts(list(_list_facts(source, made))),
            make_table(
                list_settings(made),
                "All settings recorded by the last materializations.",
                folded=True,
            ),
        ]
    return Section(
        "study",
        "The study",
        "The loop starts from π₀: the initial model, fine-tuned (SFT) if the recipe says so. In "
        "each iteration the policy answers prompts, a ranker scores the answers, the best and "
        "the worst of each prompt become a preference pair, and the policy is trained on the "
        "pairs. Each experiment is the same loop with other settings (Dong et al. 2024, arXiv "
        "2405.07863).",
        blocks,
        absent="Nothing was materialized in this lake.",
    )


def _list_facts(source: Source, made: pl.DataFrame) -> Iterator[Fact]:
    experiments = sorted(set(made["experiment"]) - {SHARED})
    yield Fact("Experiments", ", ".join(experiments) or "none yet")
    first, last = made["created_at"].min(), made["created_at"].max()
    yield Fact("Made", f"{format_cell(first)} to {format_cell(last)} UTC")
    costs = source.table("costs")
    if costs.height:
        time = format_seconds(float(costs["elapsed_s"].sum()))
        written = format_bytes(int(costs["bytes"].sum()))
        yield Fact("Work", f"{time} in {costs.height} materializations, {written} written")
    models = source.table("checkpoints").sort(ORDER).unique("asset", keep="last")
    roles = {"initial_model": "initial_model", "sft_policy": "sft_policy, the reference of DPO"}
    for asset, role in roles.items():
        for row in models.filter(asset=asset).iter_rows(named=True):
            yield Fact(role, shorten_id(row["checkpoint_id"]))
    rankers = (
        source.table("scores").select("ranker", "ranker_id").unique().sort("ranker", "ranker_id")
    )
    yield Fact(
        "Rankers",
        ", ".join(f"{name} {shorten_id(str(ranker_id))}" for name, ranker_id in rankers.rows())
        or "none yet",
    )
    for name, noun in TABLES.items():
        if source.lake.exists(name):
            version = source.lake.version(name)
            text = f"{source.lake.height(name):,} (table {name}@{version})"
            yield Fact(noun[0].upper() + noun[1:], text)
    splits = source.table("prompt_splits").group_by("split").len().sort("split")
    if splits.height:
        yield Fact("Prompts used", ", ".join(f"{name} {count:,}" for name, count in splits.rows()))
    yield Fact("Software", ", ".join(dict.fromkeys(_list_software(source, models))))


def _list_software(source: Source, models: pl.DataFrame) -> Iterator[str]:
    """Yield the software and its version as recorded in the models and the tables."""
    for path in models.filter(pl.col("asset").is_in(INITIAL_POLICIES))["path"]:
        if written := checkpoints.read_file(source.lake, path, "config.json"):
            yield f"transformers {written.get('transformers_version', 'unknown')} (models)"
    oldest = [*list_commits(source.lake.store, "materializations").values()][:1]
    for actions in read_commits(source.lake.store, oldest):
        for action in actions:
            if info := action.get("commitInfo"):
                yield f"{info.get('clientVersion', 'unknown client')} (tables)"
