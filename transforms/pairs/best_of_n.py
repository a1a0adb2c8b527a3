"""The best of n responses of each prompt (RAFT, Dong et al. 2023, arXiv 2304.06767).

Responses are ordered as for pairs (`transforms.pairs.ranked_responses`), so the best of n is also
the chosen side of a pair.
"""

import polars as pl

from transforms.pairs.ranked_responses import assistant_turn, rank_responses
from transforms.settings.pairs import PairSettings


def select_best_of_n(
    responses: pl.DataFrame, settings: PairSettings, penalty: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Select the response of highest penalised reward of every prompt; of equals, the first.

    Args:
        responses: as for `dpo_pairs.make_pairs`.
        settings: unit of length, which responses are usable.
        penalty: lambda of eq. 8, reward units per unit of length.

    Returns:
        prompt_id, prompt, completion (message lists), by prompt_id; and the prompts without a
        usable response, as row_key, reason, evidence.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    best = rank_responses(responses, settings, penalty).unique(
        "prompt_id", keep="first", maintain_order=True
    )
    without = responses.join(best, on="prompt_id", how="anti").group_by("prompt_id").len().sort(
        "prompt_id"
    )  # fmt: skip
    return (
        best.select("prompt_id", "prompt", completion=assistant_turn(pl.col("response"))),
        without.select(
            row_key="prompt_id",
            reason=pl.lit("no_usable_response"),
            evidence=pl.format("none of {} responses", "len"),
        ),
    )
