"""Scores of a slice of responses: copied from other experiments, or computed by the ranker.

Not here: rankers (`assets.loop.ranking`), the assets that score (`assets.loop.tables`,
`assets.loop.sampling`).
"""

from collections.abc import Mapping
from typing import Any

from assets.loop.chain import SliceKeys
from assets.loop.ranking.ranker import Ranker
from assets.materialize import Step
from transforms.lake.chunks import Chunks
from transforms.lake.enforcement import add_keys
from transforms.pairs import responses
from transforms.pairs.reuse import adopt_scores


def score_missing(step: Step, ranker: Ranker, slice_: SliceKeys) -> dict[str, Any]:
    """Score the responses of a slice that have no score of the ranker; commit chunk by chunk.

    Returns:
        Metadata for the asset's page; `responses_scored` is always in it.
    """
    columns = ranker.columns(step)
    keys = (columns["ranker_id"], columns["ranking_id"])
    components = ranker.list_components(step)
    missing = responses.find_unscored(step.lake, *keys, components, **slice_)
    adopted = describe_reuse(step, adopt_scores(step.lake.live, *keys, missing, **slice_))
    if adopted:
        missing = responses.find_unscored(step.lake, *keys, components, **slice_)
    step.log.info(f"{step.asset}: {missing.height} responses to score")
    metadata = {"responses_scored": missing.height, "ranker": ranker.name, **adopted}
    if missing.height:
        with Chunks(step.lake, "scores", step.commits) as commit:
            metadata |= ranker.rank(
                step,
                missing,
                lambda rewards: commit(
                    add_keys(responses.add_origin(rewards, missing), **columns, **slice_)
                ),
            )
    return metadata


def describe_reuse(step: Step, copied: Mapping[str, int]) -> dict[str, Any]:
    """Log the copied rows by experiment; return metadata for the asset's page."""
    if not copied:
        return {}
    sources = ", ".join(f"{rows} of {experiment}" for experiment, rows in copied.items())
    step.log.info(f"{step.asset}: rows copied from other experiments: {sources}")
    return {"rows_adopted": sum(copied.values()), "adopted_from": sources}
