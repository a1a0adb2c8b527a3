import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from training.models.checkpoint import hash_checkpoint, require_model
from training.models.initial_model import ROWS, fetch_initial_model, make_tiny_model
from training.models.loading.config import has_added_rows
from training.models.rendering import list_unknown_ids, load_tokenizer
from training.settings.model import ModelSettings, TinyModelSettings
from transforms.errors import InputError

CONVERSATION = [
    {"role": "system", "content": "name things"},
    {"role": "user", "content": "name a red cat"},
    {"role": "assistant", "content": "the cat is red ."},
    {"role": "user", "content": "name a dog"},
    {"role": "assistant", "content": "the dog ."},
]


@pytest.fixture(scope="module", params=["word_level", "byte_bpe"])
def tokenizer(request, tmp_path_factory):
    settings = TinyModelSettings(
        tokenizer=request.param,
        vocab_size=300,
        hidden_size=32,
        intermediate_size=32,
        layers=1,
        heads=1,
    )
    folder = tmp_path_factory.mktemp("tokenizer") / request.param
    make_tiny_model(settings, [CONVERSATION], folder, seed=0)
    require_model(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_special_tokens_are_distinct(tokenizer):
    ids = [
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.unk_token_id,
    ]
    assert len(set(ids)) == 4


def test_conversation_has_one_bos_and_an_end_for_each_assistant_turn(tokenizer):
    ids = tokenizer.apply_chat_template(CONVERSATION)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids.count(tokenizer.eos_token_id) == 2
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids
    # rendered text tokenised again, as vLLM or an evaluator would: still one BOS
    text = tokenizer.apply_chat_template(CONVERSATION, tokenize=False)
    assert tokenizer(text)["input_ids"] == ids


def test_generation_prompt_is_a_prefix_of_the_conversation(tokenizer):
    whole = tokenizer.apply_chat_template(CONVERSATION)["input_ids"]
    prompt = tokenizer.apply_chat_template(CONVERSATION[:-1], add_generation_prompt=True)[
        "input_ids"
    ]
    assert whole[: len(prompt)] == prompt
    answer = whole[len(prompt) :]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "the dog ."
    assert answer[-1] == tokenizer.eos_token_id


def test_assistant_mask_covers_content_and_end(tokenizer):
    rendered = tokenizer.apply_chat_template(
        CONVERSATION, return_dict=True, return_assistant_tokens_mask=True
    )
    marked = [
        i
        for i, mask in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True)
        if mask
    ]
    assert marked.count(tokenizer.eos_token_id) == 2
    assert tokenizer.decode(tokenizer("name")["input_ids"]) not in tokenizer.decode(marked)


def test_unknown_role_is_refused(tokenizer):
    with pytest.raises(Exception, match="role tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}])


def test_weights_follow_the_seed(
    tiny_settings, demonstrations, tiny_policy, other_policy, tmp_path
):
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), tmp_path / "again", seed=0)
    assert hash_checkpoint(tmp_path / "again") == hash_checkpoint(tiny_policy)
    assert hash_checkpoint(other_policy) != hash_checkpoint(tiny_policy)


def test_embeddings_are_untied(tiny_policy):
    model = AutoModelForCausalLM.from_pretrained(tiny_policy)
    assert model.get_input_embeddings().weight.data_ptr() != model.lm_head.weight.data_ptr()


def test_a_byte_vocabulary_without_room_for_bytes_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 263"):
        make_tiny_model(
            TinyModelSettings(tokenizer="byte_bpe", vocab_size=100),
            [CONVERSATION],
            tmp_path / "x",
            seed=0,
        )


@pytest.fixture
def without_pad(tiny_policy, tmp_path) -> Path:
    """A model folder whose tokenizer has no token to pad with."""
    folder = shutil.copytree(tiny_policy, tmp_path / "source")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        file = folder / name
        file.write_text(file.read_text().replace('"<pad>"', '"<filler>"'))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    return folder


def fetch(source: Path, output: Path) -> PreTrainedTokenizerBase:
    fetch_initial_model(ModelSettings(path=str(source), dtype="float32"), output)
    return load_tokenizer(output)


def test_fetching_adds_a_pad_token_where_pad_is_eos(without_pad, tmp_path):
    """Rows are added up to a multiple of 64; those without a token are known."""
    fetched = fetch(without_pad, tmp_path / "fetched")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "fetched")
    assert fetched.pad_token == "<pad>"
    assert fetched.pad_token_id != fetched.eos_token_id
    assert model.config.pad_token_id == fetched.pad_token_id
    assert model.get_input_embeddings().num_embeddings == model.config.vocab_size == ROWS
    assert list_unknown_ids(tmp_path / "fetched") == [*range(len(fetched), ROWS)]
    assert has_added_rows(tmp_path / "fetched")


@pytest.mark.parametrize(
    ("reserved", "pad"),
    [
        (
            ["<|reserved_special_token_0|>", "<|finetune_right_pad_id|>"],
            "<|finetune_right_pad_id|>",
        ),
        (["<|reserved_special_token_0|>", "<start>"], "<|reserved_special_token_0|>"),
        (["<unused0>", "<start>"], "<unused0>"),
    ],
)
def test_fetching_takes_a_token_that_the_model_keeps_free(without_pad, tmp_path, reserved, pad):
    tokenizer = AutoTokenizer.from_pretrained(without_pad)
    tokenizer.add_tokens(reserved, special_tokens=True)
    tokenizer.save_pretrained(without_pad)
    model = AutoModelForCausalLM.from_pretrained(without_pad)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(without_pad)
    fetched = fetch(without_pad, tmp_path / "fetched")
    assert fetched.pad_token == pad
    assert len(fetched) == len(tokenizer)
    assert not list_unknown_ids(tmp_path / "fetched")
    assert not has_added_rows(tmp_path / "fetched")


def test_fetching_a_model_without_template_is_refused(tiny_policy, tmp_path):
    source = shutil.copytree(tiny_policy, tmp_path / "source")
    (source / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="chat template"):
        fetch_initial_model(ModelSettings(path=str(source)), tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_vocabulary_larger_than_the_embeddings_is_refused(tiny_policy, tmp_path):
    source = shutil.copytree(tiny_policy, tmp_path / "source")
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.add_tokens(["<|tool|>"])
    tokenizer.save_pretrained(source)
    with pytest.raises(InputError, match=r"'<\|tool\|>' with id"):
        fetch_initial_model(ModelSettings(path=str(source)), tmp_path / "fetched")
    with pytest.raises(InputError, match="larger than its embeddings"):
        load_tokenizer(source)


def test_a_tokenizer_of_its_own_is_checked_against_the_model(tiny_policy, tmp_path):
    """`model.tokenizer` gives a base model a template; its tokens need embeddings, too."""
    base = shutil.copytree(tiny_policy, tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    settings = ModelSettings(path=str(base), tokenizer=str(tiny_policy), dtype="float32")
    fetch_initial_model(settings, tmp_path / "fetched")
    assert load_tokenizer(tmp_path / "fetched").chat_template
    other = shutil.copytree(tiny_policy, tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["<|tool|>"])
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="larger than its embeddings"):
        fetch_initial_model(settings.model_copy(update={"tokenizer": str(other)}), tmp_path / "no")


def test_weights_that_are_no_safetensors_are_refused(tiny_policy, tmp_path):
    source = shutil.copytree(tiny_policy, tmp_path / "source")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"safetensors weights missing"):
        fetch_initial_model(ModelSettings(path=str(source)), tmp_path / "fetched")
