"""Best, worst and gamed answers, of literal rows."""

import polars as pl

from transforms.views.compared_answers import BEST, CASES, GAMED, WORST, pair_answers, select_case


def answers(**rewards: tuple[float | None, float | None]) -> pl.DataFrame:
    """Answers by prompt: reward and gold reward."""
    rows = [
        {"prompt_id": prompt, "response": prompt, "reward": reward, "gold_reward": gold}
        for prompt, (reward, gold) in rewards.items()
    ]
    return pl.DataFrame(rows)


FIRST = answers(a=(0.0, 0.0), b=(0.0, 0.0), c=(0.0, 0.0), d=(0.0, 0.0), e=(0.0, None))
POLICY = answers(
    a=(1.0, 0.5), b=(2.0, -0.5), c=(-1.0, -0.75), d=(1.0, 0.0), e=(1.0, 1.0), f=(9.0, 9.0)
)


def test_a_gamed_answer_has_a_higher_reward_and_a_lower_gold_reward() -> None:
    paired = pair_answers(POLICY, FIRST, "gold_reward")
    found = {case: select_case(paired, case)["prompt_id"].to_list() for case in CASES}
    assert found == {BEST: ["a"], WORST: ["c", "b"], GAMED: ["b"]}


def test_answers_without_both_rewards_or_without_a_partner_are_left_out() -> None:
    paired = pair_answers(POLICY, FIRST, "gold_reward")
    assert paired.select("prompt_id", "gain", "reward_gain").rows() == [
        ("a", 0.5, 1.0), ("b", -0.5, 2.0), ("c", -0.75, -1.0), ("d", 0.0, 1.0),
    ]  # fmt: skip
    by_reward = pair_answers(POLICY, FIRST, "reward")
    assert by_reward["gain"].to_list() == by_reward["reward_gain"].to_list()
