"""A training that stops before the end of its data: only the rows that it reads are prepared."""

from itertools import product

import polars as pl
import pytest

from training.dpo import train_dpo
from training.models.checkpoint import hash_checkpoint
from training.reference_logps import add_reference_logps
from training.runs.drawn_examples import draw_examples
from training.settings.objectives import DPOSettings, KTOSettings
from transforms.lake.schemas.table import MESSAGES
from transforms.pairs import unpaired

SETTINGS = DPOSettings(
    learning_rate=1e-3, batch_size=4, micro_batch_size=2, max_tokens=32, max_steps=3
)
WORDS = ("red", "cat", "is the", "a grey dog", "the tree is blue .")


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    """20 pairs of several lengths, one that is too long, and one with equal sides."""
    texts = [pair for pair in product(WORDS, WORDS) if pair[0] != pair[1]]
    texts += [("red " * 40, "cat"), ("cat", "cat")]
    rows = [
        {
            "prompt_id": f"p{number}",
            "prompt": [{"role": "user", "content": f"name {chosen}"}],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }
        for number, (chosen, rejected) in enumerate(texts)
    ]
    messages = dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES)
    return pl.DataFrame(rows, schema={"prompt_id": pl.String, **messages})


def test_drawn_pairs_train_the_same_weights_as_all_of_them(pairs, tiny_policy, tmp_path):
    ids, computed = [], []
    for seed in (None, 5):
        done = add_reference_logps(
            pairs, tiny_policy, tiny_policy, SETTINGS, dtype="float32", seed=seed
        )
        output = tmp_path / str(seed)
        run = train_dpo(done.pairs, tiny_policy, output, SETTINGS, seed=5, dtype="float32")
        ids.append(hash_checkpoint(output))
        computed.append(done.computed)
        dropped = pl.concat([done.dropped, run.dropped])
        assert dropped.select("row_key", "reason").rows() == [
            ("p20", "too_long"),
            ("p21", "equal_tokens"),
        ]
    assert done.pairs.height == run.examples == 12
    assert ids[0] == ids[1]
    assert computed[1] < computed[0]


def test_all_pairs_stay_where_the_training_reads_them_all(pairs, tiny_policy):
    for steps in (None, 6):
        settings = SETTINGS.model_copy(update={"max_steps": steps})
        done = add_reference_logps(
            pairs, tiny_policy, tiny_policy, settings, dtype="float32", seed=5
        )
        assert done.pairs["prompt_id"].equals(pairs["prompt_id"])
        assert done.dropped.is_empty()


def test_of_single_responses_the_first_ones_that_fit_are_drawn():
    """The responses of a batch are mismatched with each other, so their order stays."""
    ids = pl.Series([[number] for number in range(9)])
    rows = pl.DataFrame(
        {
            "prompt_id": [f"p{number}" for number in range(9)],
            "length": [4, 99, 4, 5, 4, 4, 4, 4, 4],
            "completion_ids": ids,
            "KL_completion_ids": ids,
        }
    )
    settings = KTOSettings(batch_size=2, micro_batch_size=2, max_tokens=32, max_steps=2)
    drawn, dropped = draw_examples(rows, unpaired.SIDES, settings, 0)
    assert drawn["prompt_id"].to_list() == ["p0", "p2", "p3", "p4"]
    assert dropped["row_key"].to_list() == ["p1"]
