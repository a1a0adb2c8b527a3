"""Refusal of rewards that are no numbers: no choice or statistic can be made of them.

Not here: what is made of rewards. The stage that scores refuses them as well; a table can hold what
another program wrote.
"""

import polars as pl

from transforms.errors import InputError


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
