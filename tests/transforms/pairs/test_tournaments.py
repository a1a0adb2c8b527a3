"""Best and worst of n from comparisons, for any order of strength."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.pairs.tournaments import compute_rewards, plan_comparisons

METHODS = ("round_robin", "tournament")


def play(method, n, compare):
    """Make every planned comparison; return outcomes and the number of rounds."""
    outcomes, rounds = {}, 0
    while planned := plan_comparisons(method, n, outcomes):
        assert all(0 <= i < j < n for i, j in planned)
        assert len(set(planned)) == len(planned)
        assert not set(planned) & set(outcomes)
        outcomes |= {pair: compare(*pair) for pair in planned}
        rounds += 1
    return outcomes, rounds


def play_strengths(method, strengths):
    """Stronger wins, with a probability that grows with the difference."""

    def compare(i, j):
        return 0.5 + (strengths[i] - strengths[j]) / (2 * (len(strengths) + 1))

    return play(method, len(strengths), compare)


orders = st.integers(2, 20).flatmap(lambda n: st.permutations(range(n)))


@given(orders)
def test_both_methods_find_best_and_worst_of_a_total_order(strengths):
    n = len(strengths)
    for method in METHODS:
        outcomes, _ = play_strengths(method, strengths)
        rewards = compute_rewards(method, n, outcomes)
        assert all(0 <= reward <= 1 for reward in rewards)
        best, worst = max(rewards), min(rewards)
        assert rewards.count(best) == rewards.count(worst) == 1
        assert strengths[rewards.index(best)] == n - 1
        assert strengths[rewards.index(worst)] == 0


@given(orders)
def test_round_robin_ranks_everyone_as_the_order_does(strengths):
    rewards = compute_rewards(
        "round_robin", len(strengths), play_strengths("round_robin", strengths)[0]
    )
    ranked = sorted(range(len(strengths)), key=lambda i: rewards[i])
    assert [strengths[i] for i in ranked] == sorted(strengths)


games = st.integers(1, 20).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.floats(0, 1), min_size=n * (n - 1) // 2, max_size=n * (n - 1) // 2),
    )
)


@given(games)
def test_comparisons_are_bounded_whatever_comes_out(game):
    n, chances = game
    values = iter(chances)
    robin, rounds = play("round_robin", n, lambda i, j: next(values))
    assert len(robin) == n * (n - 1) // 2
    assert rounds <= 1
    values = iter(chances)
    tournament, rounds = play("tournament", n, lambda i, j: next(values))
    assert len(tournament) <= 3 * n / 2
    assert len(tournament) < 2 * n
    assert rounds <= 2 + n.bit_length()
    rewards = compute_rewards("tournament", n, tournament)
    # one above one half, one below by as much, the others at one half
    assert sum(rewards) == pytest.approx(n / 2)
    assert sum(reward != 0.5 for reward in rewards) in (0, 2)


def test_values_of_a_small_game():
    outcomes = {(0, 1): 0.9, (0, 2): 0.7, (1, 2): 0.4}
    assert compute_rewards("round_robin", 3, outcomes) == pytest.approx([0.8, 0.25, 0.45])
    assert compute_rewards("tournament", 3, outcomes) == pytest.approx([0.9, 0.1, 0.5])
    for method in METHODS:
        assert compute_rewards(method, 2, {(0, 1): 0.2}) == pytest.approx([0.2, 0.8])
        assert compute_rewards(method, 1, {}) == [0.5]


def test_equal_responses_are_a_tie():
    for method in METHODS:
        outcomes, _ = play(method, 6, lambda i, j: 0.5)
        assert compute_rewards(method, 6, outcomes) == [0.5] * 6


def test_a_contradiction_is_a_tie():
    # 2 beats the winner 0 and loses to the loser 1: best and worst at once
    cycle, _ = play("tournament", 3, lambda i, j: {(0, 1): 0.9, (0, 2): 0.1, (1, 2): 0.8}[i, j])
    assert compute_rewards("tournament", 3, cycle) == [0.5] * 3
    # 0 is best, 3 worst, and 3 beats 0
    game = {(0, 1): 0.9, (2, 3): 0.9, (0, 2): 0.9, (1, 3): 0.9, (0, 3): 0.1}
    outcomes, _ = play("tournament", 4, lambda i, j: game[i, j])
    assert compute_rewards("tournament", 4, outcomes) == [0.5] * 4


def test_an_unfinished_game_has_no_rewards():
    for method in METHODS:
        with pytest.raises(ValueError, match="is not finished"):
            compute_rewards(method, 3, {(0, 1): 0.9})
