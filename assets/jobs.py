"""Dagster jobs: the whole loop, one iteration, one iteration and all after it.

A run of a job materializes the assets of one experiment.
"""

import dagster as dg

from assets.study import Study
from transforms.lake.asset_names import iteration_name


def build(study: Study) -> dg.Definitions:
    """Build the jobs of a study."""
    everything = dg.AssetSelection.all()
    jobs = [
        dg.define_asset_job(
            "whole_loop",
            everything,
            partitions_def=study.experiments,
            description="Everything, from the raw tables to the reports.",
        )
    ]
    for t in study.iterations:
        group = dg.AssetSelection.groups(iteration_name(t))
        jobs.append(
            dg.define_asset_job(
                iteration_name(t),
                group,
                partitions_def=study.experiments,
                description=f"Sample, score, pair and train iteration {t}.",
            )
        )
        jobs.append(
            dg.define_asset_job(
                f"from_{iteration_name(t)}",
                group.downstream(),
                partitions_def=study.experiments,
                description=f"Iteration {t}, all later iterations, evaluation and reports.",
            )
        )
    return dg.Definitions(jobs=jobs)
