"""The usable responses of each prompt, ordered by penalised reward.

Every choice among responses starts here: pairs (`dpo_pairs`), the best of n (`best_of_n`), labelled
responses (`unpaired`), adaptive n (`adaptive`). Not here: the value of the penalty
(`transforms.pairs.length_penalty`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas.columns import MESSAGES
from transforms.settings.pairs import PairSettings


def rank_responses(responses: pl.DataFrame, settings: PairSettings, penalty: float) -> pl.DataFrame:
    """Order each prompt's usable responses, best first; adds penalised_reward.

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
    """Leave out responses without a reward, and truncated ones where the settings say so."""
    ranked = responses.filter(pl.col("reward").is_not_null())
    return ranked.filter(pl.col("finish_reason") != "length") if settings.drop_truncated else ranked


def assistant_turn(response: str) -> pl.Expr:
    """Write a response's text as the assistant's turn: a list of one message."""
    turn = pl.struct(role=pl.lit("assistant"), content=pl.col(response))
    return pl.concat_list(turn).cast(MESSAGES)


def require_finite_rewards(responses: pl.DataFrame) -> None:
    """Refuse responses of which a reward is null, NaN or infinite.

    Args:
        responses: prompt_id, response_index, reward; one row per response.

    Raises:
        InputError: the first such response is named.
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
