"""Scoring what a slice of responses lacks: taken over where it is known, else by the ranker.

Not here: rankers (`assets.loop.rankers`), which assets score (`assets.loop.chain`,
`assets.loop.sampling`).
"""

from typing import Any

from assets.loop.adoption import adopt_scored
from assets.loop.rankers import Ranker, rank
from assets.materialize import Step
from assets.study import Study
from transforms.lake.chunk_appends import Chunks
from transforms.pairs import responses


def score_missing(
    study: Study, step: Step, ranker: Ranker, slice_: dict[str, Any]
) -> dict[str, Any]:
    """Score the responses of a slice that the ranker has not scored, and commit chunk by chunk.

    Returns:
        What the asset's page shows of it; `responses_scored` is always there.
    """
    keys = (ranker.ranker_id, ranker.ranking_id)
    missing = responses.unscored(step.lake, *keys, **slice_)
    adopted = adopt_scored(step, ranker, missing, **slice_)
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
