"""False promotions: simulated experiments whose policies are no better than the current one.

Each prompt gives every policy an advantage over the current policy; `correlation` is that of two
policies' advantages, because both are compared with the same responses. An experiment selects the
best of its policies on validation prompts. One JSON line per correlation: the share of experiments
that promote, when the validation prompts also decide and when other prompts do; then the share of
lakes with any promotion in ten experiments; then the power against a true advantage.

    python -m bench.promotion
"""

import json
from collections.abc import Callable

import numpy as np
from scipy import stats

from transforms.measures.promotion import compute_decision_level

PROMPTS, POLICIES, EXPERIMENTS, LAKES = 500, 3, 10, 4_000
LEVEL = 0.95


def draw_advantages(
    rng: np.random.Generator, correlation: float, true: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw z scores of each experiment's selected policy: (lakes, experiments) on both splits.

    The mean over normal prompts is normal, and with 500 prompts its error is known.
    """
    found = []
    for _ in ("validation", "promotion"):
        common = rng.standard_normal((LAKES, 1, 1))
        own = rng.standard_normal((LAKES, EXPERIMENTS, POLICIES))
        z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        found.append(z + true * np.sqrt(PROMPTS))
    validation, promotion = found
    best = validation.argmax(axis=2)[..., None]
    return tuple(np.take_along_axis(z, best, 2)[..., 0] for z in (validation, promotion))


def find_promotions(z: np.ndarray, level_of: Callable[[int], float]) -> np.ndarray:
    """Return which decisions promote; decision k has the level `level_of(k)`."""
    bounds = [stats.t.ppf((1 + level_of(k)) / 2, PROMPTS - 1) for k in range(1, EXPERIMENTS + 1)]
    return z > np.array(bounds)


def show(correlation: float, true: float) -> None:
    """Print the shares of one setting, in per cent."""
    validation, promotion = draw_advantages(np.random.default_rng(0), correlation, true)
    decided = {
        "validation_prompts": find_promotions(validation, lambda _: LEVEL),
        "own_prompts": find_promotions(promotion, lambda _: LEVEL),
        "own_prompts_and_shared_level": find_promotions(
            promotion, lambda k: compute_decision_level(LEVEL, k)
        ),
    }
    shares = {
        name: {
            "first": 100 * float(rows[:, 0].mean()),
            "any_of_ten": 100 * float(rows.any(axis=1).mean()),
            "tenth": 100 * float(rows[:, -1].mean()),
        }
        for name, rows in decided.items()
    }
    print(json.dumps({"correlation": correlation, "true_advantage_sd": true} | shares))


if __name__ == "__main__":
    for correlation in (0.0, 0.3, 0.5, 0.6, 0.9):
        show(correlation, 0.0)
    for true in (0.1, 0.15, 0.2):
        show(0.5, true)
