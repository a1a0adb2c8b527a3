"""Ranking n responses by comparing two at a time: which to compare next, and what it comes to.

Lives here: two ways to rank, planned from the outcomes so far, so that the next comparisons of many
prompts go through a model together. Not here: who compares (a preference model, a judge).
Responses are numbers 0 ... n-1. An outcome of (i, j), i < j, is P(i over j); 0.5 is a tie.

`round_robin` makes all n(n-1)/2 comparisons. `tournament` finds the best and the worst of n in at
most 3n/2: every response plays once; winners play on for best, losers for worst, each as a
knockout; then best meets worst. Source of the recommendation: the published code of the paper's
preference model, which names a tournament for large n and has none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

Pair = tuple[int, int]
Outcomes = Mapping[Pair, float]
Method = Literal["round_robin", "tournament"]

TIE = 0.5


def plan_comparisons(method: Method, n: int, outcomes: Outcomes) -> list[Pair]:
    """Plan the comparisons that can be made now, as pairs (i, j), i < j; none when all are made."""
    if method == "round_robin":
        return [pair for pair in combinations(range(n), 2) if pair not in outcomes]
    return _play(n, outcomes)[1]


def compute_rewards(method: Method, n: int, outcomes: Outcomes) -> list[float]:
    """Turn finished outcomes into rewards in [0, 1], one per response.

    `round_robin`: the mean probability of beating each of the others.

    `tournament`: the best has P(best over worst), the worst 1 minus that, every other 0.5. A worst
    response that beats the best in their own game, or is the best, is a contradiction: all have
    0.5, a tie. With n = 2 both methods agree. A single response has 0.5.

    Raises:
        ValueError: comparisons are missing.
    """
    if plan_comparisons(method, n, outcomes):
        raise ValueError(f"the {method} of {n} responses is not over")
    if method == "round_robin":
        return [_mean_probability(i, n, outcomes) for i in range(n)]
    rewards = [TIE] * n
    best, worst = _play(n, outcomes)[0]
    if best != worst:
        rewards[best] = max(TIE, _probability(best, worst, outcomes))
        rewards[worst] = 1 - rewards[best]
    return rewards


def _play(n: int, outcomes: Outcomes) -> tuple[Pair, list[Pair]]:
    """Replay a tournament: best and worst so far, and the comparisons that are missing now."""
    everyone = list(range(n))
    missing = _missing(zip(everyone[::2], everyone[1::2], strict=False), outcomes)
    if missing:
        return (0, n - 1), missing
    best, for_best = _knockout(_survivors(everyone, outcomes, _winner), outcomes, _winner)
    worst, for_worst = _knockout(_survivors(everyone, outcomes, _loser), outcomes, _loser)
    missing = for_best + for_worst  # they share at most one response, so no pair
    if not missing and best != worst:
        missing = _missing([(best, worst)], outcomes)
    return (best, worst), missing


def _knockout(
    entrants: list[int], outcomes: Outcomes, survivor: Callable[[int, int, Outcomes], int]
) -> tuple[int, list[Pair]]:
    """Play rounds until one is left or outcomes are missing: the first left, what is missing."""
    while len(entrants) > 1:
        missing = _missing(zip(entrants[::2], entrants[1::2], strict=False), outcomes)
        if missing:
            return entrants[0], missing
        entrants = _survivors(entrants, outcomes, survivor)
    return entrants[0], []


def _survivors(
    entrants: Sequence[int], outcomes: Outcomes, survivor: Callable[[int, int, Outcomes], int]
) -> list[int]:
    """One of every two neighbours, and a last one without a neighbour."""
    pairs = zip(entrants[::2], entrants[1::2], strict=False)
    rest = entrants[-1:] if len(entrants) % 2 else []
    return [survivor(i, j, outcomes) for i, j in pairs] + list(rest)


def _winner(i: int, j: int, outcomes: Outcomes) -> int:
    return i if _probability(i, j, outcomes) >= TIE else j


def _loser(i: int, j: int, outcomes: Outcomes) -> int:
    return j if _winner(i, j, outcomes) == i else i


def _missing(pairs: Iterable[Pair], outcomes: Outcomes) -> list[Pair]:
    ordered = [(min(pair), max(pair)) for pair in pairs]
    return [pair for pair in ordered if pair not in outcomes]


def _probability(i: int, j: int, outcomes: Outcomes) -> float:
    return outcomes[i, j] if i < j else 1 - outcomes[j, i]


def _mean_probability(i: int, n: int, outcomes: Outcomes) -> float:
    if n == 1:
        return TIE
    return sum(_probability(i, j, outcomes) for j in range(n) if j != i) / (n - 1)
