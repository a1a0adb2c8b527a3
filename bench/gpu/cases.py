"""Random models and rows of the GPU check in two sizes; the same files for every device.

Importing this module loads no torch. Not here: running stages on them (`bench.gpu.stages`).
"""

import random
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from training.settings.model import TinyModelSettings

Measured = tuple[dict[str, list[float]], dict[str, float]]
"""Result of a stage: values by quantity, which are compared, and figures, which are printed."""


@dataclass(frozen=True)
class Case:
    """One size of models and rows; lengths are in words, and a word is one token."""

    hidden: int
    layers: int
    vocabulary: int
    initializer_range: float
    prompt_words: int
    response_words: int
    rows: int
    steps: int
    micro_batch: int
    n: int

    @property
    def context_tokens(self) -> int:
        """Prompt, response, and 16 for special tokens."""
        return self.prompt_words + self.response_words + 16

    def list_words(self) -> list[str]:
        """List the words of the vocabulary."""
        return [f"w{number}" for number in range(self.vocabulary)]


SMALL = Case(
    hidden=128,
    layers=2,
    vocabulary=512,
    initializer_range=0.1,
    prompt_words=24,
    response_words=16,
    rows=64,
    steps=6,
    micro_batch=4,
    n=4,
)
"""The case that is compared; its heads have size 64, which FlashAttention supports."""


def make_large_case(hidden: int, layers: int) -> Case:
    """Make the case that is only timed: prompts of 64 tokens, responses of up to 448."""
    return Case(
        hidden=hidden,
        layers=layers,
        vocabulary=32_000,
        initializer_range=0.02,
        prompt_words=64,
        response_words=448,
        rows=256,
        steps=10,
        micro_batch=8,
        n=8,
    )


def prepare(case: Case, folder: Path) -> None:
    """Write the models `initial`, `start` (`initial` with noise), `reward`, and all rows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from training.models.initial_model import make_tiny_model

    shape = TinyModelSettings(
        vocab_size=case.vocabulary + 16,
        hidden_size=case.hidden,
        intermediate_size=4 * case.hidden,
        layers=case.layers,
        heads=case.hidden // 64,
        context_tokens=case.context_tokens,
        initializer_range=case.initializer_range,
    )
    text = [{"role": "user", "content": " ".join(case.list_words())}]
    make_tiny_model(shape, [text], folder / "initial", seed=0)
    tokenizer = AutoTokenizer.from_pretrained(folder / "initial")
    torch.manual_seed(1)
    start = AutoModelForCausalLM.from_pretrained(folder / "initial", dtype=torch.float32)
    with torch.no_grad():
        for weight in start.parameters():
            weight += 0.1 * case.initializer_range * torch.randn_like(weight)
    start.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    del start
    reward = AutoModelForSequenceClassification.from_pretrained(
        folder / "initial", num_labels=1, dtype=torch.float32
    )
    reward.save_pretrained(folder / "reward")
    tokenizer.save_pretrained(folder / "reward")
    _write_rows(case, folder)


def _write_rows(case: Case, folder: Path) -> None:
    """Write random rows of many lengths, and `even_pairs`, whose rows have one length.

    Rows are batched by length in each process. With only one length, the batches of an optimiser
    step are the same for any number of processes.
    """
    draw, words = random.Random(0), case.list_words()

    def text(most: int, *, even: bool = False) -> str:
        return " ".join(draw.choices(words, k=most if even else draw.randint(most // 4, most)))

    def pairs(*, even: bool) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "prompt_id": [f"p{row}" for row in range(case.rows)],
                "pair_id": [f"p{row}" for row in range(case.rows)],
                "prompt": [
                    [{"role": "user", "content": text(case.prompt_words, even=even)}]
                    for _ in range(case.rows)
                ],
                **{
                    side: [
                        [{"role": "assistant", "content": text(case.response_words, even=even)}]
                        for _ in range(case.rows)
                    ]
                    for side in ("chosen", "rejected")
                },
            }
        )

    varied = pairs(even=False)
    varied.write_parquet(folder / "pairs.parquet")
    pairs(even=True).write_parquet(folder / "even_pairs.parquet")
    varied.select(row_key="pair_id", messages=pl.concat_list("prompt", "chosen")).write_parquet(
        folder / "demonstrations.parquet"
    )
    varied.select(
        "prompt_id",
        "prompt",
        response_index=pl.lit(0, pl.Int32),
        response=pl.col("chosen").list.last().struct.field("content"),
        finish_reason=pl.lit("stop"),
    ).write_parquet(folder / "responses.parquet")
