"""Length-controlled win rates of the policies, if the recipe enables them.

Not here: the regression and its pairs (`transforms.measures`).
"""

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.loop.chain import SliceKeys
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from transforms.lake.enforcement import add_keys
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.table import SHARED
from transforms.measures import judged_responses
from transforms.pairs import judgments

TABLE = judged_responses.TABLE


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the asset, unless `evaluation.length_control` is false."""
    if not study.recipe.evaluation.length_control:
        return []

    @declare(
        study,
        TABLE,
        group="evaluation",
        table=TABLES[TABLE],
        deps=("evaluation", "baseline_evaluation"),
        partitioned=True,
        kinds=("deltalake", "sklearn"),
    )
    def rates(step: Step) -> Made:
        """The models are the policies of all iterations.

        The judges are the reward, the gold reward, and every judge that compared their responses.
        """
        verdicts = judgments.read_verdicts(step.lake)
        frames = []
        for model, iteration in study.policies.items():
            mine = step.lake.read("evaluation_responses", experiment=step.experiment, model=model)
            for baseline in study.recipe.baselines:
                other = step.lake.read("evaluation_responses", experiment=SHARED, model=baseline)
                rows = judged_responses.compute_length_controlled_win_rates(mine, other, verdicts)
                slice_ = SliceKeys(experiment=step.experiment, iteration=iteration)
                frames.append(add_keys(rows, **slice_).select(list(schema_of(TABLE))))
        table = pl.concat(frames)
        version = step.lake.overwrite(TABLE, table, experiment=step.experiment)
        shown = table.filter(split="evaluation")
        metadata = {**table_metadata(table, version), "win_rates": table_preview(shown, 40)}
        return Made(f"{TABLE}@{version}", metadata)

    return [rates]
