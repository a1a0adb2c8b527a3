"""Section of the trainings: loss, accuracy and margin over the optimiser steps, and their ends.

Not here: the figures (`transforms.views.plots.training`), results on held-out prompts
(`transforms.views.page.sections.results`).
"""

import polars as pl

from transforms.lake.schemas.table import SHARED
from transforms.measures.training_curves import tabulate_last_values
from transforms.views.page.blocks import Block, Figure, Group, Section
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source
from transforms.views.plots.figures import render_svg
from transforms.views.plots.training import plot_training

OPEN = 3
"""Figures that are not folded: that of the shared trainings, and those of the first experiments."""


def show_training(source: Source) -> Section:
    """Show the curves of every training, one figure per experiment."""
    metrics = source.table("training_metrics")
    ends = tabulate_last_values(metrics)
    blocks: list[Block] = []
    for number, experiment in enumerate(ends["experiment"].unique(maintain_order=True)):
        of = "that all experiments share" if experiment == SHARED else f"of {experiment}"
        figure = Figure(
            f"Trainings {of}.",
            render_svg(
                plot_training(metrics.filter(experiment=experiment)),
                f"{source.name}-training-{experiment}",
            ),
        )
        blocks.append(figure if number < OPEN else Group(f"Trainings {of}", [figure]))
    if ends.height:
        blocks.append(
            make_table(
                ends.with_columns(pl.col("asset").alias("training")).select(
                    "experiment", "training", pl.exclude("experiment", "training", "asset")
                ),
                "The end of each training: its last logged values.",
                units={"margin": "reward units"},
                folded=True,
            )
        )
    return Section(
        "training",
        "Training curves",
        "Did every training converge? Accuracy is the share of pairs whose chosen response has the "
        "higher reward (of SFT: the share of tokens that are predicted), the margin is the "
        "difference of their rewards. For DPO, the reward is beta times the log-ratio of policy "
        "and reference.",
        blocks,
        absent="Nothing has been trained.",
    )
