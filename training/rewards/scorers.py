"""Scorers of all rewards of a single response: one loader per key of a reward, and weighted sums.

Not here: scores that are committed chunk by chunk (`training.scoring`,
`training.rewards.score_rows`).
"""

from collections.abc import Callable, Mapping
from typing import cast

import polars as pl

from training.models.rendering import load_tokenizer
from training.models.rewards import ForwardEngine, read_rewards
from training.models.unscorable import raise_refusals
from training.rewards import verifier
from training.rewards.function import load_function
from training.rewards.given_model import find_folder
from training.rewards.score_rows import Scorer, convert_rewards
from training.settings.rewards.reward import RewardSettings, Way
from training.settings.rewards.weighted_reward import WeightedReward
from training.settings.scoring import ScoringSettings


def _load_model(reward: RewardSettings, dtype: str, scoring: ScoringSettings) -> Scorer:
    folder = find_folder(reward.path or "", reward.revision)
    # rows are padded by their lengths
    tokenizer = load_tokenizer(folder, pads=False)
    # beside a model in training, whose GPU another engine would not share
    engine = ForwardEngine(folder, scoring, dtype=dtype)

    def score(rows: pl.DataFrame) -> list[float]:
        read = read_rewards(engine, tokenizer, rows, folder)
        raise_refusals(read.refused, rows.height, committed=False)
        return read.rewards

    return score


LOADERS: Mapping[Way, Callable[[RewardSettings, str, ScoringSettings], Scorer]] = {
    "path": _load_model,
    "function": lambda reward, dtype, scoring: load_function(reward.read_function()),
    "verifier": lambda reward, dtype, scoring: verifier.make_scorer(reward.verifier or ""),
}
"""Loaders by the key of a reward; each takes the reward, the dtype of its weights, and the settings
of scoring, of which the engine is not read. A sum is `load_weighted_scorer` of its parts."""


def load_weighted_scorer(
    rewards: Mapping[str, WeightedReward], dtype: str, scoring: ScoringSettings
) -> Callable[[pl.DataFrame], list[float]]:
    """Load the parts of a reward, and return the scorer of their weighted sum.

    Args:
        rewards: its parts by name; none is a sum.
        dtype: dtype of the weights of models, `float32` or `bfloat16`.
        scoring: tokens per forward pass of a model, which computes them itself.

    Raises:
        InputError: a part cannot be loaded. The scorer raises it if a response has no finite
            reward; the message gives the first one.
    """
    # in the order of names, as a sum that is stored: the order in a recipe changes no sum
    parts = [
        (part.weight, LOADERS[part.reward.way](part.reward, dtype, scoring))
        for _, part in sorted(rewards.items())
    ]

    def score(rows: pl.DataFrame) -> list[float]:
        total = [0.0] * rows.height
        for weight, scorer in parts:
            values, refused = convert_rewards(rows, scorer(rows))
            raise_refusals(refused, rows.height, committed=False)
            finite = cast(list[float], values)
            total = [sum_ + weight * one for sum_, one in zip(total, finite, strict=True)]
        return total

    return score
