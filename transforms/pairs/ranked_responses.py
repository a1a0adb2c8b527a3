"""The usable responses of each prompt, ordered by penalised reward.

Pairs (`dpo_pairs`), the best of n (`best_of_n`), labelled responses (`unpaired`) and adaptive n
(`adaptive`) all use this order. Not here: the value of the penalty
(`transforms.pairs.length_penalty`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES
from transforms.settings.pairs import PairSettings


def rank_responses(responses: pl.DataFrame, settings: PairSettings, penalty: float) -> pl.DataFrame:
    """Sort the usable responses by prompt_id and rank, best first; add penalised_reward.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    require_finite_rewards(responses.filter(pl.col("reward").is_not_null()))
    penalised = pl.col("reward") - penalty * pl.col(f"response_{settings.length_unit}")
    return (
        select_usable(responses, settings)
        .with_columns(penalised_reward=penalised)
        .sort("prompt_id", "penalised_reward", "response_index", descending=[False, True, False])
    )


def select_usable(responses: pl.DataFrame, settings: PairSettings) -> pl.DataFrame:
    """Keep responses with a reward; if `drop_truncated` is set, only complete ones."""
    rewarded = responses.filter(pl.col("reward").is_not_null())
    if not settings.drop_truncated:
        return rewarded
    return rewarded.filter(pl.col("finish_reason") != "length")


def assistant_turn(text: pl.Expr) -> pl.Expr:
    """Return a text as a message list with one turn of the assistant."""
    turn = pl.struct(role=pl.lit("assistant"), content=text)
    return pl.concat_list(turn).cast(MESSAGES)


def require_finite_rewards(responses: pl.DataFrame) -> None:
    """Refuse responses with a reward that is null, NaN or infinite.

    The stage that scores refuses them as well, but another program may have written the table.

    Args:
        responses: prompt_id, response_index, reward; one row per response.

    Raises:
        InputError: there is such a response; the error names the first.
    """
    broken = responses.filter(~pl.col("reward").is_finite().fill_null(False))
    if broken.height:
        first = broken.row(0, named=True)
        raise InputError(
            "rewards are not finite",
            expected="a finite reward for every response",
            found=f"{broken.height} of {responses.height} are not, the first {first['reward']} for "
            f"response {first['response_index']} of prompt {first['prompt_id']}",
            remedy="score the responses again; check the reward model's precision and weights",
        )
