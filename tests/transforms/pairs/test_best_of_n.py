import polars as pl
import pytest

from transforms.errors import InputError
from transforms.pairs.best_of_n import select_best_of_n
from transforms.pairs.dpo_pairs import make_pairs
from transforms.settings.pairs import PairSettings


def responses(*rows: tuple[str, int, str, float | None]) -> pl.DataFrame:
    names = ["prompt_id", "response_index", "response", "reward"]
    return pl.DataFrame(
        [
            dict(zip(names, row, strict=True))
            | {
                "prompt": [{"role": "user", "content": row[0]}],
                "response_chars": len(row[2]),
                "response_tokens": len(row[2].split()),
                "finish_reason": "length" if row[2].endswith("...") else "stop",
            }
            for row in rows
        ]
    )


ROWS = responses(
    ("p", 0, "fair", 1.0), ("p", 1, "good but long", 3.0), ("p", 2, "good", 2.9),
    ("q", 0, "a", 1.0), ("q", 1, "b", 1.0),
    ("r", 0, "unread", None), ("r", 1, "unread", None),
)  # fmt: skip


def texts(kept: pl.DataFrame) -> dict[str, str]:
    return {row["prompt_id"]: row["completion"][0]["content"] for row in kept.to_dicts()}


def test_the_best_of_every_prompt_the_first_of_equals() -> None:
    kept, dropped = select_best_of_n(ROWS, PairSettings(), 0.0)
    assert texts(kept) == {"p": "good but long", "q": "a"}
    assert kept["completion"].list.first().struct.field("role").unique().to_list() == ["assistant"]
    assert dropped.rows() == [("r", "no_usable_response", "none of 2 responses")]


def test_by_penalised_reward() -> None:
    kept, _ = select_best_of_n(ROWS, PairSettings(), 0.1)
    assert texts(kept)["p"] == "good"


def test_truncated_responses_may_be_left_out() -> None:
    rows = responses(("p", 0, "cut ...", 9.0), ("p", 1, "whole", 1.0), ("q", 0, "cut ...", 1.0))
    kept, dropped = select_best_of_n(rows, PairSettings(drop_truncated=True), 0.0)
    assert texts(kept) == {"p": "whole"}
    assert dropped["row_key"].to_list() == ["q"]


def test_it_is_the_chosen_side_of_a_pair() -> None:
    pairs, _ = make_pairs(ROWS, PairSettings(), 0.05)
    chosen = {row["prompt_id"]: row["chosen"][0]["content"] for row in pairs.to_dicts()}
    kept, _ = select_best_of_n(ROWS, PairSettings(), 0.05)
    assert chosen.items() <= texts(kept).items()


def test_a_reward_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError):
        select_best_of_n(responses(("p", 0, "a", float("nan"))), PairSettings(), 0.0)
