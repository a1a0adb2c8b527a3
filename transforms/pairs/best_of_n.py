"""From n scored responses of a prompt to its best one (RAFT, Dong et al. 2023, arXiv 2304.06767).

Lives here: the choice of the best of n. Not here: the order of a prompt's responses, which is that
of pairs (`transforms.pairs.dpo_pairs`), so that the best of n is a pair's chosen side.
"""

import polars as pl

from transforms.pairs.ranked_responses import assistant_turn, rank_responses
from transforms.settings.pairs import PairSettings


def select_best_of_n(
    responses: pl.DataFrame, settings: PairSettings, penalty: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take the response of highest penalised reward of every prompt, the first of its equals.

    Args:
        responses: those of `dpo_pairs.make_pairs`.
        settings: unit of length, which responses are usable.
        penalty: lambda of eq. 8, reward units a unit of length.

    Returns:
        prompt_id, prompt, completion (message lists), by prompt_id; and the prompts without a
        usable response, as row_key, reason, evidence.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    best = rank_responses(responses, settings, penalty).unique(
        "prompt_id", keep="first", maintain_order=True
    )
    mute = responses.join(best, on="prompt_id", how="anti").group_by("prompt_id").len().sort(
        "prompt_id"
    )  # fmt: skip
    return (
        best.select("prompt_id", "prompt", completion=assistant_turn("response")),
        mute.select(
            row_key="prompt_id",
            reason=pl.lit("no_usable_response"),
            evidence=pl.format("none of {} responses", "len"),
        ),
    )
