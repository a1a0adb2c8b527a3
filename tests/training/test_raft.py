import polars as pl
import pytest

from training.models.checkpoint import hash_checkpoint, require_model
from training.models.rendering import load_tokenizer
from training.raft import load_maker, train_raft
from training.settings.objectives import RAFTSettings
from training.sft import IGNORED
from transforms.errors import InputError

SETTINGS = RAFTSettings(
    learning_rate=1e-2,
    max_steps=3,
    batch_size=8,
    micro_batch_size=8,
    max_tokens=32,
    logging_steps=1,
    checkpoint_steps=2,
)


@pytest.fixture(scope="module")
def responses(preference_pairs) -> pl.DataFrame:
    return preference_pairs.select("prompt_id", "prompt", completion="chosen")


def run(rows, start, output, **changed):
    settings = SETTINGS.model_copy(update=changed)
    return train_raft(rows, start, output, settings, seed=0, dtype="float32")


def test_a_checkpoint_that_has_learned_the_responses(tiny_policy, responses, tmp_path):
    result = run(responses, tiny_policy, tmp_path / "raft")
    require_model(tmp_path / "raft")
    losses = result.metrics.filter(pl.col("metric") == "loss").sort("step")["value"]
    assert losses[-1] < losses[0]
    assert hash_checkpoint(tmp_path / "raft") != hash_checkpoint(tiny_policy)
    assert result.examples == 8


def test_the_loss_is_on_the_response_alone(tiny_policy, responses):
    """Earlier turns of the assistant are context."""
    earlier = [{"role": "user", "content": "name a"}, {"role": "assistant", "content": "red cat"}]
    prompts = [earlier + prompt for prompt in responses["prompt"].to_list()]
    rows = responses.with_columns(pl.Series("prompt", prompts, dtype=responses["prompt"].dtype))
    examples, _ = load_maker(tiny_policy, SETTINGS)(rows)
    tokenizer = load_tokenizer(tiny_policy)
    example = examples.row(0, named=True)
    answer = [*tokenizer("the cat .")["input_ids"], tokenizer.eos_token_id]
    ids = example["input_ids"]
    assert example["labels"] == [IGNORED] * (len(ids) - len(answer)) + answer
    assert tokenizer("red cat")["input_ids"][0] in ids[: -len(answer)]
    assert example["length"] == len(ids)


def test_same_seed_same_checkpoint(tiny_policy, responses, tmp_path):
    for name in ("a", "b"):
        run(responses, tiny_policy, tmp_path / name)
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")


def test_a_long_response_is_dropped_by_name(tiny_policy, responses, tmp_path):
    with pytest.raises(InputError, match="nothing to train on"):
        run(responses, tiny_policy, tmp_path / "raft", max_tokens=8)
