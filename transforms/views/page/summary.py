"""Section that summarises a lake: experiments, sizes, models, times, software, settings.

Not here: results (`transforms.views.page.results`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from transforms.formats import format_seconds, shorten_id
from transforms.lake.asset_names import INITIAL_POLICIES, shared_noun
from transforms.lake.records import checkpoints
from transforms.lake.schemas.table import ORDER, SHARED
from transforms.lake.transaction_log import list_commits, read_commits
from transforms.pairs.objectives import OBJECTIVES
from transforms.settings.overrides import flatten
from transforms.views.page.blocks import Fact, Facts, Section
from transforms.views.page.cells import format_bytes, format_cell, make_table
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


def show_summary(source: Source) -> Section:
    """Show what was run, when, with which data and models."""
    made = source.table("materializations")
    facts = list(_list_facts(source, made)) if made.height else []
    settings = compare_settings(made)
    blocks: list[Any] = [Facts(facts)] if facts else []
    if settings.height > 1 and settings.width > 1:
        blocks.append(
            make_table(
                settings,
                "Settings in which the experiments differ, as recorded; empty cells are defaults.",
                titles={name: name for name in settings.columns},
                units=dict.fromkeys(settings.columns, ""),
            )
        )
    if made.height:
        blocks.append(
            make_table(
                list_settings(made),
                "All settings recorded by the last materializations.",
                folded=True,
            )
        )
    return Section(
        "summary",
        "Summary",
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
    roles = {"initial_model": "Initial model", "sft_policy": "SFT policy, the reference of DPO"}
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
    first = list_commits(source.lake.store, "materializations").get(0)
    for actions in read_commits(source.lake.store, [first] if first else []):
        for action in actions:
            if info := action.get("commitInfo"):
                yield f"{info.get('clientVersion', 'unknown client')} (tables)"


def compare_settings(made: pl.DataFrame) -> pl.DataFrame:
    """Find the settings that differ: one row per experiment, one column per setting.

    Settings of an asset are compared between the experiments that made it; all iterations count as
    one. Settings of an objective are compared between the experiments that train with it.

    Args:
        made: `materializations`.
    """
    rows = _select_last(made).filter(pl.col("experiment") != SHARED)
    recorded: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows.iter_rows(named=True):
        noun = shared_noun(row["asset"])
        settings = {name: _format(value) for name, value in flatten(json.loads(row["settings"]))}
        if objective := next((one for one in OBJECTIVES if any(_find_own(one, settings))), None):
            settings["objective"] = objective
        recorded.setdefault(noun, {}).setdefault(row["experiment"], settings)
    found: dict[str, dict[str, str | None]] = {name: {} for name in sorted(set(rows["experiment"]))}
    for experiments in recorded.values():
        for name in sorted({name for settings in experiments.values() for name in settings}):
            objective = name.partition(".")[0]
            values = {
                experiment: settings.get(name)
                for experiment, settings in experiments.items()
                if objective not in OBJECTIVES or any(_find_own(objective, settings))
            }
            if len(set(values.values())) > 1:
                for experiment, value in values.items():
                    found[experiment][name] = value
    names = sorted({name for settings in found.values() for name in settings})
    return pl.DataFrame(
        [{"experiment": experiment, **settings} for experiment, settings in found.items()],
        schema={"experiment": pl.String, **dict.fromkeys(names, pl.String)},
    )


def _find_own(objective: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of an objective's settings."""
    return (name for name in settings if name.startswith(f"{objective}."))


def list_settings(made: pl.DataFrame) -> pl.DataFrame:
    """List the recorded settings of every asset; experiments with equal settings share a row."""
    rows = [
        (
            row["asset"],
            row["experiment"],
            ", ".join(
                f"{name} = {_format(value)}"
                for name, value in flatten(json.loads(row["settings"]))
                if value not in (None, [])
            ),
        )
        for row in _select_last(made).iter_rows(named=True)
    ]
    schema = {"asset": pl.String, "experiments": pl.String, "settings": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("settings") != "")
    return (
        frame.group_by("asset", "settings")
        .agg(pl.col("experiments").sort().str.join(", "))
        .sort("asset", "experiments")
        .select("asset", "experiments", "settings")
    )


def _select_last(made: pl.DataFrame) -> pl.DataFrame:
    last = made.sort(ORDER).unique(["asset", "experiment"], keep="last")
    return last.sort("asset", "experiment")


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
