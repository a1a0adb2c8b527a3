"""Rewards of n responses from comparisons of two at a time: round robin and tournament.

Both methods plan the next comparisons from the outcomes so far, so that a model can run the
comparisons of many prompts in one batch. Not here: the model or judge that compares. Responses are
numbers 0 ... n-1. An outcome of (i, j), i < j, is P(i over j); 0.5 is a tie.

`round_robin` makes all n(n-1)/2 comparisons. `tournament` finds the best and the worst of n with at
most 3n/2 comparisons: every response is compared once; then a knockout of the winners gives the
best, and one of the losers the worst; at last the best is compared with the worst. Source: the
published code of the paper's preference model recommends a tournament for large n, but has none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

Pair = tuple[int, int]
Outcomes = Mapping[Pair, float]
Method = Literal["round_robin", "tournament"]

TIE = 0.5


def plan_comparisons(method: Method, n: int, outcomes: Outcomes) -> list[Pair]:
    """Return the comparisons that can be made now, as pairs (i, j), i < j; empty: all are made."""
    if method == "round_robin":
        return [pair for pair in combinations(range(n), 2) if pair not in outcomes]
    return _play(n, outcomes)[1]


def compute_rewards(method: Method, n: int, outcomes: Outcomes) -> list[float]:
    """Compute rewards in [0, 1] from the outcomes, one per response.

    `round_robin`: the mean probability of winning against each of the others.

    `tournament`: the best has P(best over worst), the worst 1 minus that, every other 0.5. If the
    worst wins against the best, or is the best, the outcomes contradict each other and all have
    0.5, a tie. With n = 2 both methods agree. A single response has 0.5.

    Raises:
        ValueError: comparisons are missing.
    """
    if plan_comparisons(method, n, outcomes):
        raise ValueError(f"the {method} of {n} responses is not finished")
    if method == "round_robin":
        return [_mean_probability(i, n, outcomes) for i in range(n)]
    rewards = [TIE] * n
    best, worst = _play(n, outcomes)[0]
    if best != worst:
        rewards[best] = max(TIE, _probability(best, worst, outcomes))
        rewards[worst] = 1 - rewards[best]
    return rewards


def _play(n: int, outcomes: Outcomes) -> tuple[Pair, list[Pair]]:
    """Replay a tournament; return best and worst so far, and the comparisons to make next."""
    everyone = list(range(n))
    missing = _select_missing(zip(everyone[::2], everyone[1::2], strict=False), outcomes)
    if missing:
        return (0, n - 1), missing
    best, for_best = _knockout(
        _play_round(everyone, outcomes, _pick_winner), outcomes, _pick_winner
    )
    worst, for_worst = _knockout(
        _play_round(everyone, outcomes, _pick_loser), outcomes, _pick_loser
    )
    missing = for_best + for_worst  # they share at most one response, so no pair
    if not missing and best != worst:
        missing = _select_missing([(best, worst)], outcomes)
    return (best, worst), missing


def _knockout(
    entrants: list[int], outcomes: Outcomes, survivor: Callable[[int, int, Outcomes], int]
) -> tuple[int, list[Pair]]:
    """Play rounds until one response is left or outcomes are missing; return both."""
    while len(entrants) > 1:
        missing = _select_missing(zip(entrants[::2], entrants[1::2], strict=False), outcomes)
        if missing:
            return entrants[0], missing
        entrants = _play_round(entrants, outcomes, survivor)
    return entrants[0], []


def _play_round(
    entrants: Sequence[int], outcomes: Outcomes, survivor: Callable[[int, int, Outcomes], int]
) -> list[int]:
    """Return one of every two neighbours, and the last one if it has no neighbour."""
    pairs = zip(entrants[::2], entrants[1::2], strict=False)
    rest = entrants[-1:] if len(entrants) % 2 else []
    return [survivor(i, j, outcomes) for i, j in pairs] + list(rest)


def _pick_winner(i: int, j: int, outcomes: Outcomes) -> int:
    return i if _probability(i, j, outcomes) >= TIE else j


def _pick_loser(i: int, j: int, outcomes: Outcomes) -> int:
    return j if _pick_winner(i, j, outcomes) == i else i


def _select_missing(pairs: Iterable[Pair], outcomes: Outcomes) -> list[Pair]:
    ordered = [(min(pair), max(pair)) for pair in pairs]
    return [pair for pair in ordered if pair not in outcomes]


def _probability(i: int, j: int, outcomes: Outcomes) -> float:
    return outcomes[i, j] if i < j else 1 - outcomes[j, i]


def _mean_probability(i: int, n: int, outcomes: Outcomes) -> float:
    if n == 1:
        return TIE
    return sum(_probability(i, j, outcomes) for j in range(n) if j != i) / (n - 1)
