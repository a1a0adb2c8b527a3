import pytest

from training.models.comparison_prompts import (
    add_unknown_words,
    find_label_tokens,
    is_chosen_first,
    tokenize_comparisons,
    write_instruction,
)
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer
from transforms.errors import InputError

PROMPT = [
    {"role": "user", "content": "name a red cat"},
    {"role": "assistant", "content": "the cat ."},
    {"role": "user", "content": "a green one"},
]


@pytest.fixture(scope="module", params=["word_level", "byte_bpe"])
def tokenizer(request, tmp_path_factory, tiny_settings, demonstrations):
    """A vocabulary of words, which knows no word of the format, and one of bytes."""
    settings = tiny_settings.model_copy(update={"tokenizer": request.param, "vocab_size": 300})
    folder = tmp_path_factory.mktemp("tokenizers") / request.param
    make_tiny_model(settings, demonstrations["messages"].to_list(), folder, seed=0)
    return load_tokenizer(folder)


def test_the_instruction_is_that_of_the_published_models():
    assert write_instruction(PROMPT, "is red", "is green") == (
        "[CONTEXT] \n\n\n<turn> user\n name a red cat\n\n<turn> assistant\n the cat ."
        "\n\n<turn> user\n a green one\n\n\n [RESPONSE A] is red [RESPONSE B] is green \n"
    )


def test_a_rendered_comparison_has_one_bos_and_ends_where_the_label_stands(tokenizer):
    added = add_unknown_words(tokenizer)
    assert added == (7 if tokenizer.unk_token_id in tokenizer.encode("zzz") else 0)
    assert add_unknown_words(tokenizer) == 0
    (ids,) = tokenize_comparisons(tokenizer, [(PROMPT, "the dog", "the tree")])
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|assistant|>")
    assert tokenizer.eos_token_id not in ids
    text = tokenizer.decode(ids)
    marks = ["[CONTEXT]", "<turn> user", "<turn> assistant", "[RESPONSE A]", "[RESPONSE B]"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    (swapped,) = tokenize_comparisons(tokenizer, [(PROMPT, "the tree", "the dog")])
    assert swapped != ids


def test_labels_are_two_known_tokens(tokenizer):
    add_unknown_words(tokenizer)
    first, second = find_label_tokens(tokenizer)
    assert first != second
    assert tokenizer.unk_token_id not in (first, second)
    assert [tokenizer.decode([token]).strip() for token in (first, second)] == ["A", "B"]


def test_a_tokenizer_that_reads_both_labels_alike_is_named(tiny_policy):
    tokenizer = load_tokenizer(tiny_policy)
    with pytest.raises(InputError, match="does not write A and B as one token") as error:
        find_label_tokens(tokenizer)
    assert str(tiny_policy) in str(error.value)


def test_a_template_that_changes_the_answer_is_refused(tokenizer):
    add_unknown_words(tokenizer)
    template = tokenizer.chat_template
    tokenizer.chat_template = template.replace("message['content'] + eos", "'cat' + eos")
    assert tokenizer.chat_template != template
    try:
        with pytest.raises(InputError, match="as one token each"):
            find_label_tokens(tokenizer)
    finally:
        tokenizer.chat_template = template


def test_positions_are_balanced_and_belong_to_the_pair():
    draws = [is_chosen_first(f"pair-{i}") for i in range(2000)]
    assert draws == [is_chosen_first(f"pair-{i}") for i in range(2000)]
    assert 900 < sum(draws) < 1100
    # written down, so that a pair never changes places between versions
    assert "".join("AB"[not first] for first in draws[:8]) == "AABBAAAA"
