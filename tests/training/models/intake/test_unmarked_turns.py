"""Assistant's tokens of a template without marks: every turn up to its end, nothing else."""

from pathlib import Path

import polars as pl
import pytest

from training.models.end_of_turn import count_after_end
from training.models.initial_model import fetch_initial_model
from training.models.rendering import load_tokenizer
from training.models.token_ids import tokenize_responses
from training.settings.model import ModelSettings
from training.sft import IGNORED, label_assistant_tokens
from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES

CONVERSATION = [
    {"role": "user", "content": "name a cat"},
    {"role": "assistant", "content": "the cat"},
    {"role": "user", "content": "is it red"},
    {"role": "assistant", "content": "it is <|im_end|> red\n"},
]
MARKED = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def rows(*conversations: list[dict[str, str]]) -> pl.DataFrame:
    keys = [f"row-{number}" for number in range(len(conversations))]
    schema = {"row_key": pl.String, "messages": MESSAGES}
    return pl.DataFrame({"row_key": keys, "messages": conversations}, schema=schema)


@pytest.fixture(scope="module")
def tokenizer(chatml, tmp_path_factory):
    folder = tmp_path_factory.mktemp("initial") / "model"
    fetch_initial_model(ModelSettings(path=str(chatml), dtype="float32"), folder)
    return load_tokenizer(folder)


def test_every_assistant_turn_is_trained_with_its_end(tokenizer):
    (ids,), (labels,) = (
        label_assistant_tokens(tokenizer, rows(CONVERSATION))[name].to_list()
        for name in ("input_ids", "labels")
    )
    trained = [token for token in labels if token != IGNORED]
    assert tokenizer.decode(trained) == "the cat<|im_end|>it is <|im_end|> red\n<|im_end|>"
    assert trained.count(tokenizer.eos_token_id) == 2  # the one that the text spells is text
    assert labels[-2:] == [tokenizer.eos_token_id, IGNORED]  # the line break is not trained
    assert [token for token, label in zip(ids, labels, strict=True) if label != IGNORED] == trained


def test_turns_are_those_that_marks_would_show(tokenizer):
    """Also a conversation that ends with the user, and one with a system turn of its own."""
    demonstrations = rows(
        CONVERSATION,
        CONVERSATION[:3],
        [{"role": "system", "content": "be short"}, *CONVERSATION[:2]],
    )
    found = label_assistant_tokens(tokenizer, demonstrations)
    tokenizer.chat_template, unmarked = MARKED, tokenizer.chat_template
    marked = label_assistant_tokens(tokenizer, demonstrations)
    tokenizer.chat_template = unmarked
    assert found.equals(marked)


@pytest.mark.parametrize(
    ("change", "conversation", "message"),
    [
        (  # a template that shortens earlier turns, as those that drop earlier thoughts
            (
                "message['content'] +",
                "(message['content'] if loop.last or message['role'] == 'user' else 'the') +",
            ),
            CONVERSATION,
            "changes earlier turns of a conversation: row_key row-1",
        ),
        (("", ""), CONVERSATION[1:], "begins with the assistant: row_key row-1"),
        (("'<|im_end|>'", "' .'"), CONVERSATION, "does not end the assistant's turn"),
    ],
)
def test_a_turn_that_cannot_be_found_is_refused(tokenizer, change, conversation, message):
    unmarked = tokenizer.chat_template
    tokenizer.chat_template = unmarked.replace(*change) if change[0] else unmarked
    try:
        with pytest.raises(InputError, match=message):
            label_assistant_tokens(tokenizer, rows(CONVERSATION[:2], conversation))
    finally:
        tokenizer.chat_template = unmarked


def test_preferences_are_trained_up_to_the_end_of_the_turn(tokenizer, preference_pairs):
    """What is trained on is what a policy samples: no line break after the end."""
    assert count_after_end(tokenizer) == 1
    found = tokenize_responses(tokenizer, preference_pairs)
    for side in ("chosen", "rejected"):
        texts = tokenizer.batch_decode(found[f"{side}_ids"].to_list())
        contents = [f"{turn[0]['content']}<|im_end|>" for turn in preference_pairs[side].to_list()]
        assert texts == contents


def test_every_row_begins_with_one_bos(tokenizer, preference_pairs, tmp_path: Path):
    """BOS begins every turn of ChatML; the first one is not doubled."""
    trained = label_assistant_tokens(tokenizer, rows(CONVERSATION))["input_ids"].to_list()
    sampled = tokenize_responses(tokenizer, preference_pairs)["prompt_ids"].to_list()
    for ids in [*trained, *sampled]:
        assert ids[0] == tokenizer.bos_token_id != ids[1]
    assert tokenizer.decode(sampled[0]).startswith("<|im_start|>system\nYou are a helpful")
