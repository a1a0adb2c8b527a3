"""First section: what was tried, and the selected policies against the baselines.

Not here: the iterations (`transforms.views.page.sections.results`), the sentences
(`transforms.views.headline`).
"""

import json
from collections.abc import Iterable

import polars as pl
import polars.selectors as cs

from transforms.formats import format_seconds, glue_estimates
from transforms.lake.asset_names import INITIAL_POLICIES, REPORTED_BASELINES
from transforms.lake.schemas.evaluation import DECODINGS
from transforms.lake.schemas.table import ORDER, SHARED
from transforms.views.headline import (
    count_verdicts,
    describe_contrasts,
    find_metric,
    note_better_iterations,
    select_headline,
)
from transforms.views.lineage.model_record import INITIAL_MODEL, RANDOM_WEIGHTS, find_base_model
from transforms.views.page.blocks import Block, Figure, Section, Text
from transforms.views.page.cells import make_table
from transforms.views.page.experiment_settings import compare_settings
from transforms.views.page.opened_lake import Source
from transforms.views.page.sections.results import OUTCOME_TITLES, count_prompts
from transforms.views.plots.figures import render_svg
from transforms.views.plots.outcomes import plot_both_decodings

HASH = "sha256:"
"""Start of what is recorded of a GGUF file."""
MOST_SENTENCES = 2
"""Most selected policies that are compared in a sentence each; more are counted."""


def show_answer(source: Source) -> Section:
    """Show what was tried, and compare the selected policies with the baselines."""
    outcomes = source.report("experiment_outcomes")
    contrasts = source.report("selected_contrasts")
    made = source.table("materializations")
    blocks: list[Block] = [Text(describe_study(source, made))] if made.height else []
    selected = source.table("selected_policies")
    describe = describe_contrasts if selected.height <= MOST_SENTENCES else count_verdicts
    blocks += [Text(glue_estimates(sentence), is_headline=True) for sentence in describe(contrasts)]
    if outcomes.height:
        blocks.append(
            Figure(
                "Baselines in grey, the policy that each experiment selected in blue; full marks: "
                "sampled responses, hollow marks: greedy ones. Mean over "
                f"{count_prompts(outcomes):,} evaluation prompts; bars are one standard error, "
                "clustered by prompt.",
                render_svg(plot_both_decodings(outcomes), f"{source.name}-answer"),
            )
        )
    results = source.table("evaluation_results")
    metric = find_metric(results["metric"])
    blocks += [
        Text(note.replace(metric, metric.replace("_", " ")))
        for note in note_better_iterations(results, selected)
    ]
    settings = compare_settings(made)
    if settings.height > 1 and settings.width > 1:
        blocks.append(
            make_table(
                settings,
                "Settings in which the experiments differ, as recorded; empty cells are defaults.",
                titles={name: name for name in settings.columns},
                units=dict.fromkeys(settings.columns, ""),
            )
        )
    for decoding in DECODINGS:
        blocks += _compare(
            decoding,
            outcomes.filter(decoding=decoding).drop("decoding"),
            contrasts.filter(decoding=decoding),
        )
    return Section(
        "answer",
        "In short",
        "Is the selected policy better than π₀, the first policy of the loop, and than DPO on the "
        "offline pairs? A difference of two standard errors or more is called better or worse.",
        blocks,
        absent="Nothing was materialized in this lake.",
    )


def describe_start(base: str) -> str:
    """Describe the model that a study starts from, without a machine's folders.

    Args:
        base: as of `find_base_model`; of a GGUF file only the hash of its content is recorded.
    """
    if base == RANDOM_WEIGHTS:
        return base
    if base.startswith(HASH):
        return f"the GGUF file whose SHA-256 begins with {base.removeprefix(HASH)[:12]}"
    return "the model " + base.rstrip("/").rpartition("/")[2]


def describe_study(source: Source, made: pl.DataFrame) -> str:
    """Describe in two sentences what was tried.

    Args:
        source: the lake.
        made: `materializations`, at least one row.
    """
    experiments = sorted(set(made["experiment"]) - {SHARED})
    initial = made.filter(asset=INITIAL_MODEL).sort(ORDER)["settings"]
    start = describe_start(find_base_model(json.loads(initial[-1]) if initial.len() else {}))
    seconds = format_seconds(float(made["elapsed_s"].sum()))
    of = ", ".join(experiments)
    tried = f"{_count(len(experiments), 'experiment')} ({of})" if experiments else "The baselines"
    own = pl.col("experiment").is_in(experiments)
    loop = source.scan("generations").filter(own)
    slices = loop.group_by("experiment", "iteration").agg(
        pl.col("prompt_id").n_unique().alias("prompts"), pl.col("n").max()
    )
    sampled = slices.collect()
    if sampled.is_empty():
        return f"{tried}, from {start}; {seconds} of computing."
    iterations = sampled.group_by("experiment").agg(pl.max("iteration"))["iteration"]
    rankers = source.scan("scores").filter(own).select("ranker").unique().sort("ranker").collect()
    n, prompts = _span(sampled["n"].drop_nulls()), _span(sampled["prompts"])
    return (
        f"{tried} with {_span(iterations)} iterations, from {start}; {seconds} of "
        f"computing. Each iteration samples {f'{n} ' if n else ''}responses to each of "
        f"{prompts} prompts, orders them by their rewards"
        + (f" ({', '.join(rankers['ranker'])})" if rankers.height else "")
        + " and trains the next policy on them."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span(values: Iterable[int]) -> str:
    """Return the value of all, or the lowest and the highest; empty without values."""
    found = sorted(set(values))
    if not found:
        return ""
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def _compare(decoding: str, outcomes: pl.DataFrame, contrasts: pl.DataFrame) -> list[Block]:
    """Return the differences and the values of one decoding."""
    blocks: list[Block] = []
    if contrasts.height:
        metric = select_headline(contrasts)["metric"][0]
        blocks.append(
            make_table(
                subtract_baselines(contrasts, metric),
                f"{decoding.capitalize()} responses: the selected policy minus each baseline, mean "
                f"{metric.replace('_', ' ')}, paired by prompt. The last column is the length of "
                "its responses minus that of π₀'s. ± is one standard error, clustered by prompt.",
                titles={name: f"minus {name}" for name in REPORTED_BASELINES}
                | {"longer_chars": "longer than π₀"},
            )
        )
    if outcomes.height:
        blocks.append(
            make_table(
                outcomes.drop("prompts", cs.contains("_minus_offline_dpo")),
                f"{decoding.capitalize()} responses: the baselines, and the policy that each "
                "experiment selected. ± is one standard error, clustered by prompt.",
                titles=OUTCOME_TITLES,
                kind=lambda row: "selected" if row["selected_iteration"] is not None else "",
            )
        )
    return blocks


def subtract_baselines(contrasts: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Pivot differences to one row per experiment, with one column per baseline of the lake.

    The column `longer_chars` is the difference of the lengths to π₀.

    Args:
        contrasts: rows of the report `selected_contrasts` of one decoding.
        metric: metric of the differences.
    """
    rows = contrasts.select("experiment", "selected").unique().sort("experiment")
    differences = {
        name: contrasts.filter(metric=metric, versus=name)
        for name in REPORTED_BASELINES
        if name in set(contrasts["versus"])
    }
    initial = pl.col("versus").is_in(INITIAL_POLICIES)
    differences["longer_chars"] = contrasts.filter(initial, metric="response_chars")
    for name, found in differences.items():
        columns = {name: "difference", f"{name}_se": "difference_se"}
        rows = rows.join(
            found.select("experiment", **{new: pl.col(old) for new, old in columns.items()}),
            on="experiment",
            how="left",
            maintain_order="left",
        )
    return rows
