"""Scores of a slice of responses: copied from other experiments, the missing ones by the ranker.

Not here: rankers (`assets.loop.rankers`), which assets score (`assets.loop.chain`,
`assets.loop.sampling`).
"""

from collections.abc import Mapping
from typing import Any

from assets.loop.rankers import Ranker, rank
from assets.materialize import Step
from assets.study import Study
from transforms.lake.lake import Chunks
from transforms.pairs import responses
from transforms.pairs.reuse import adopt_scores


def score_missing(
    study: Study, step: Step, ranker: Ranker, slice_: dict[str, Any]
) -> dict[str, Any]:
    """Score the responses of a slice that the ranker has not scored, and commit chunk by chunk.

    Returns:
        What the asset's page shows; `responses_scored` is always there.
    """
    keys = (ranker.ranker_id, ranker.ranking_id)
    missing = responses.unscored(step.lake, *keys, **slice_)
    adopted = describe_reuse(step, adopt_scores(step.lake, *keys, missing, **slice_))
    if adopted:
        missing = responses.unscored(step.lake, *keys, **slice_)
    step.log.info(f"{step.asset}: {missing.height} responses to score")
    metadata = {"responses_scored": missing.height, "ranker": ranker.name, **adopted}
    if missing.height:
        commit = Chunks(step.lake, "scores")
        metadata |= rank(
            study,
            step,
            missing,
            ranker,
            lambda rewards: commit(
                responses.stamp(responses.with_origin(rewards, missing), **ranker.columns, **slice_)
            ),
        )
    return metadata


def describe_reuse(step: Step, copied: Mapping[str, int]) -> dict[str, Any]:
    """Log the rows that were copied, by experiment; return what the asset's page shows."""
    if not copied:
        return {}
    sources = ", ".join(f"{rows} of {experiment}" for experiment, rows in copied.items())
    step.log.info(f"{step.asset}: rows copied from other experiments: {sources}")
    return {"rows_adopted": sum(copied.values()), "adopted_from": sources}
