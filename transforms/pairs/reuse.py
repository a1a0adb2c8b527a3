"""Reuse of responses and scores of another experiment: they are copied, not made again.

Experiments of one recipe that do not differ yet (the first iteration of an ablation of beta) need
the same responses: of the same policy, with the same settings and seed. In a copied row only the
experiment is different. The experiments then differ by their settings and not by chance in
sampling. Not here: finding missing rows (`transforms.pairs.responses`).
"""

from collections.abc import Sequence

import polars as pl

from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import Keys
from transforms.pairs.score_components import Component

RESPONSE_KEY = ["prompt_id", "response_index", "policy_id", "sampling_id"]


def adopt_responses(
    lake: Lake, keys: Keys, prompts: pl.DataFrame, experiments: Sequence[str]
) -> dict[str, int]:
    """Copy responses of this policy and sampling from other experiments, in one commit.

    Args:
        lake: the lake.
        keys: keys of the engine that would otherwise sample the responses.
        prompts: prompt_id of the prompts without responses.
        experiments: experiments that sampled this iteration with equal settings.

    Returns:
        Number of copied rows by experiment. If several have a prompt, the first is used.
    """
    adopted: dict[str, int] = {}
    frames: list[pl.DataFrame] = []
    for experiment in experiments if lake.exists("generations") else ():
        rows = lake.read(
            "generations",
            experiment=experiment,
            iteration=keys.iteration,
            policy_id=keys.policy_id,
            sampling_id=keys.sampling_id,
        )
        whole = pl.len().over("prompt_id") == sum(draw.n for draw in keys.draws)
        rows = rows.filter(whole).join(prompts, on="prompt_id", how="semi", maintain_order="left")
        prompts = prompts.join(rows, on="prompt_id", how="anti", maintain_order="left")
        if rows.height:
            frames.append(add_keys(rows, experiment=keys.experiment))
            adopted[experiment] = rows.height
    if frames:
        lake.append("generations", pl.concat(frames))
    return adopted


def adopt_scores(
    lake: Lake,
    ranker_id: str,
    ranking_id: str,
    unscored: pl.DataFrame,
    *,
    experiment: str,
    iteration: int,
) -> dict[str, int]:
    """Copy scores of equal responses by the same ranker from other experiments.

    A prompt's scores are copied if all of its responses have the same texts in the other
    experiment: the rewards of a pairwise ranker depend on all of them. Components are copied first.

    Args:
        lake: the lake.
        ranker_id: id of the ranker that would score them.
        ranking_id: id of its settings.
        unscored: `transforms.pairs.responses.find_unscored`.
        experiment: experiment of the slice.
        iteration: iteration of the slice.

    Returns:
        Number of copied rows by experiment. If several have a prompt, the first by name is used.
    """
    if unscored.is_empty() or not lake.exists("scores"):
        return {}
    scores = lake.scan("scores", iteration=iteration, ranker_id=ranker_id, ranking_id=ranking_id)
    found = _find_equal(lake, unscored, scores, experiment=experiment, iteration=iteration)
    if found.is_empty():
        return {}
    if lake.exists("score_components"):
        # the stored parts of a slice are those of its scores
        stored = lake.scan("score_components", iteration=iteration)
        own = stored.filter(experiment=experiment)
        copied = (
            stored.join(found.lazy(), on=["experiment", *RESPONSE_KEY], how="semi")
            .join(own, on=[*RESPONSE_KEY, "component"], how="anti")
            .sort("prompt_id", "response_index", "component")
            .collect()
        )
        lake.append("score_components", add_keys(copied, experiment=experiment))
    lake.append("scores", add_keys(found, experiment=experiment).select(list(schema_of("scores"))))
    return _count_by_experiment(found)


def adopt_components(lake: Lake, part: Component, missing: pl.DataFrame) -> dict[str, int]:
    """Copy rewards of a part of a sum for equal responses of other experiments.

    They are parts of other sums, or scores of a ranker that is the part alone. All responses of a
    prompt must be equal, as in `adopt_scores`.

    Args:
        lake: the lake.
        part: the part.
        missing: the responses of a slice that the part has not scored.

    Returns:
        Number of copied rows by experiment, as in `adopt_scores`.
    """
    if missing.is_empty():
        return {}
    experiment, iteration = missing.select("experiment", "iteration").row(0)
    _, ranker_id, ranking_id = part.identity
    stored = {
        "score_components": part.identity._asdict(),
        "scores": {"ranker_id": ranker_id, "ranking_id": ranking_id},
    }
    known = [
        lake.scan(table, iteration=iteration, **ids).select("experiment", *RESPONSE_KEY, "reward")
        for table, ids in stored.items()
        if lake.exists(table)
    ]
    if not known:
        return {}
    rewards = pl.concat(known).unique(["experiment", *RESPONSE_KEY], keep="first")
    found = _find_equal(lake, missing, rewards, experiment=experiment, iteration=iteration)
    if found.height:
        with part.append_chunks(missing) as append:
            append(found.select("prompt_id", "response_index", "reward"))
    return _count_by_experiment(found)


def _find_equal(
    lake: Lake,
    wanted: pl.DataFrame,
    known: pl.LazyFrame,
    *,
    experiment: str,
    iteration: int,
) -> pl.DataFrame:
    """Find known rows of other experiments for responses of a slice, for whole prompts.

    Args:
        lake: the lake.
        wanted: the responses.
        known: rows of an iteration; experiment and `RESPONSE_KEY` are their key.
        experiment: experiment of the slice.
        iteration: iteration of the slice.

    Returns:
        Columns of `known` and further ones, by prompt_id, response_index. If several experiments
        have a prompt, the first by name.
    """
    key = ["experiment", *RESPONSE_KEY]
    others = pl.col("experiment") != experiment
    texts = lake.scan("generations", iteration=iteration).filter(others).select(*key, "response")
    mine = wanted.lazy().select(*RESPONSE_KEY, "response", n=pl.len().over("prompt_id"))
    prompt = ["experiment", "prompt_id"]
    theirs = texts.with_columns(their_n=pl.len().over(prompt))
    return (
        theirs.join(mine, on=[*RESPONSE_KEY, "response"])
        .join(known.filter(others), on=key, validate="1:1")
        .filter(pl.len().over(prompt) == pl.col("n"), pl.col("their_n") == pl.col("n"))
        .filter(pl.col("experiment") == pl.col("experiment").min().over("prompt_id"))
        .sort("prompt_id", "response_index")
        .collect()
    )


def _count_by_experiment(found: pl.DataFrame) -> dict[str, int]:
    return dict(found.group_by("experiment").len().sort("experiment").iter_rows())
