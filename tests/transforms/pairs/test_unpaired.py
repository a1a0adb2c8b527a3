import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.schemas.table import MESSAGES
from transforms.pairs.unpaired import add_mismatched, label_responses
from transforms.settings.pairs import PairSettings


def responses(rewards: dict[str, list[float | None]]) -> pl.DataFrame:
    """Responses named by prompt and index, `p0` the first of prompt p."""
    return pl.DataFrame(
        [
            {
                "prompt_id": prompt,
                "response_index": index,
                "response": f"{prompt}{index}",
                "reward": reward,
                "prompt": [{"role": "user", "content": prompt}],
                "response_chars": 2 + index,
                "response_tokens": 1,
                "finish_reason": "stop",
            }
            for prompt, of_prompt in rewards.items()
            for index, reward in enumerate(of_prompt)
        ]
    )


def labels(rows: pl.DataFrame) -> dict[str, bool]:
    texts = rows["completion"].list.first().struct.field("content")
    return dict(zip(texts, rows["label"], strict=True))


ROWS = responses({"p": [1.0, 4.0, 2.0, None], "q": [1.0, 1.0], "r": [None], "s": [3.0, 2.0]})


def test_best_and_worst_are_desirable_and_not() -> None:
    kept, dropped = label_responses(ROWS, PairSettings(), 0.0, "best_and_worst")
    assert labels(kept) == {"p1": True, "p0": False, "s0": True, "s1": False}
    assert dropped.rows() == [
        ("q", "equal_reward", "2 usable responses"),
        ("r", "equal_reward", "0 usable responses"),
    ]


def test_or_all_by_the_mean_of_their_prompt() -> None:
    kept, dropped = label_responses(ROWS, PairSettings(), 0.0, "above_mean")
    assert labels(kept) == {"p1": True, "p2": False, "p0": False, "s0": True, "s1": False}
    assert dropped["row_key"].to_list() == ["q", "r"]


def test_rewards_are_penalised() -> None:
    kept, _ = label_responses(ROWS, PairSettings(), 10.0, "best_and_worst")
    assert labels(kept)["p0"]


def rows(prompts: list[str]) -> pl.DataFrame:
    names = [f"{prompt}{place}" for place, prompt in enumerate(prompts)]
    completion = [[{"role": "assistant", "content": name}] for name in names]
    prompt = [[{"role": "user", "content": name}] for name in prompts]
    return pl.DataFrame(
        {"prompt_id": prompts, "prompt": prompt, "completion": completion, "label": True},
        schema_overrides={"prompt": MESSAGES, "completion": MESSAGES},
    )


def texts(column: pl.Series) -> list[str]:
    return column.list.first().struct.field("content").to_list()


@settings(deadline=None)  # a busy machine
@given(st.integers(1, 23), st.integers(2, 6), st.integers(0, 3))
def test_a_batch_is_its_own_completions_moved_on_by_one(count: int, batch: int, seed: int) -> None:
    """As in TRL: the mismatched responses of a batch are its matched responses."""
    found = add_mismatched(rows([f"p{i}" for i in range(count)]), batch, seed)
    for start in range(0, count, batch):
        own = texts(found["completion"][start : start + batch])
        assert texts(found["KL_completion"][start : start + batch]) == [own[-1], *own[:-1]]


def test_the_order_is_the_seeds_and_not_that_of_the_rows() -> None:
    given = rows([f"p{i}" for i in range(12)])
    first = add_mismatched(given, 4, 0)
    assert first.equals(add_mismatched(given.reverse(), 4, 0))
    assert not first.equals(add_mismatched(given, 4, 1))
    assert sorted(first["prompt_id"]) == sorted(given["prompt_id"])
