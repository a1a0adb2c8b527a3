"""Made-up responses: rows as `training.engine.sampler` commits them."""

import numpy as np
import polars as pl

TOKENS = 656
"""Mean tokens of a response: those of the paper's last 8B policy (Table 6)."""
VOCABULARY = 60_000
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))


class Texts:
    """Draws texts of words; frequent words are frequent, as in a language."""

    def __init__(self, seed: int) -> None:
        """Draw the words."""
        self._dice = np.random.default_rng(seed)
        lengths = self._dice.integers(2, 7, VOCABULARY)
        self._words = np.array(
            ["".join(LETTERS[self._dice.geometric(0.12, n) % len(LETTERS)]) for n in lengths],
            object,
        )
        weights = 1 / np.arange(1, VOCABULARY + 1)
        self._pool = self._dice.choice(VOCABULARY, 1 << 20, p=weights / weights.sum())

    def draw(self, prompts: pl.Series, n: int) -> pl.DataFrame:
        """Draw n responses per prompt; a word counts as one token."""
        rows = prompts.len() * n
        sizes = self._dice.integers(TOKENS // 2, TOKENS + TOKENS // 2 + 1, rows)
        drawn = self._words[self._pool[self._dice.integers(0, len(self._pool), sizes.sum())]]
        texts = [" ".join(part) for part in np.split(drawn, np.cumsum(sizes)[:-1])]
        return pl.DataFrame(
            {
                "prompt_id": [one for one in prompts for _ in range(n)],
                "response_index": pl.Series([*range(n)] * prompts.len(), dtype=pl.Int32),
                "response": texts,
                "response_tokens": pl.Series(sizes, dtype=pl.Int32),
                "finish_reason": ["stop"] * rows,
            }
        ).with_columns(response_chars=pl.col("response").str.len_chars().cast(pl.Int32))
