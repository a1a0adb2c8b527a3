"""The initial model: tokenizer, chat template and weights, random, or given.

The result is a folder with safetensors, a tokenizer and a chat template. Three things are true of
it: the end-of-sequence token is the token with which the template ends a turn; the pad token is
another one (a reward model is read at the last token that is not padding, and padding is masked);
and only the template writes the BOS, once. Not here: training.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GgufConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar

from training.models.checkpoint import build_folder, require_model, save_settings
from training.models.end_of_turn import adopt_end_of_turn, list_ends, require_one_rendering
from training.models.intake.chat_template import describe_template, require_one_bos
from training.models.intake.origin import Origin, find_origin, find_tokenizer
from training.models.intake.pad_token import PAD, find_free_token, needs_pad_token
from training.models.loading.config import ADDED_ROWS, read_config, require_embeddings
from training.models.loading.weights import load_text_part, load_weights
from training.models.rendering import read_tokenizer
from training.settings.model import ModelSettings, TinyModelSettings
from transforms.errors import InputError

BOS, EOS, UNKNOWN = "<bos>", "<eos>", "<unk>"
ROWS = 64
"""Added embedding rows fill a multiple of this: matrices of other sizes are slower on a GPU
(https://docs.nvidia.com/deeplearning/performance/dl-performance-matrix-multiplication)."""
ROLES = ("system", "user", "assistant")
SPECIAL_TOKENS = [PAD, BOS, EOS, UNKNOWN, *(f"<|{role}|>" for role in ROLES)]

CHAT_TEMPLATE = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('role ' + message['role'] + ' is not system, user or assistant') -}}"
    "{%- endif -%}"
    "{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}"
    "{%- else -%}{{- message['content'] -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
"""One BOS, then a role token before each turn. An assistant turn ends with EOS, which is
in the loss."""


def make_tiny_model(
    settings: TinyModelSettings, conversations: Sequence[list[dict]], output: Path, *, seed: int
) -> None:
    """Make a Llama model with random weights, and train a tokenizer on the conversations.

    Args:
        settings: shape of the model and kind of the tokenizer.
        conversations: message lists; the tokenizer is trained on their contents.
        output: folder to write.
        seed: seed of the weights.

    Raises:
        InputError: there is no text, or the vocabulary is smaller than the tokenizer's alphabet.
    """
    texts = [message["content"] for messages in conversations for message in messages]
    if not texts:
        raise InputError(
            "a tokenizer cannot be trained",
            expected="conversations with text",
            found="none",
            remedy="add rows to the source that has the role demonstrations",
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_train_tokenizer(settings, texts),
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        extra_special_tokens=[f"<|{role}|>" for role in ROLES],
        chat_template=CHAT_TEMPLATE,
        model_max_length=settings.context_tokens,
        clean_up_tokenization_spaces=False,
    )
    set_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=settings.context_tokens,
            initializer_range=settings.initializer_range,
            tie_word_embeddings=False,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with build_folder(output) as folder:
        _save(model, tokenizer, folder)
        save_settings(folder, {"tiny": settings.model_dump(mode="json"), "seed": seed})


def fetch_initial_model(settings: ModelSettings, output: Path) -> dict[str, str | None]:
    """Load a model from a folder, the hub or a GGUF file, and save it as a complete checkpoint.

    The token that ends a turn becomes the EOS of the tokenizer and one of the tokens at which
    generation stops. If the pad token is missing or is one that a turn of the assistant contains, a
    token that the model keeps free becomes the pad token; without one a new token is added, and
    embedding rows up to a multiple of `ROWS`. Of a model that also reads images, the text part is
    saved.

    Returns:
        What is found: the commits of a hub model and of a hub tokenizer, or the name of a GGUF
        file; the default system prompt of the chat template, BOS, end of turn and pad token.

    Raises:
        InputError: there is no model; it is not one whole model with a text part; its chat template
            is missing, ends no turn or renders a prompt in two ways; or a token has no embedding.
    """
    origin, other = find_origin(settings), find_tokenizer(settings)
    if settings.gguf is None:
        require_model(origin.folder, chat_template=other is None)
    tokenizer = _read_tokenizer(settings, origin, other)
    model = _load_model(settings, origin)
    if needs_pad_token(tokenizer):
        tokenizer.add_special_tokens({"pad_token": find_free_token(tokenizer) or PAD})
        embeddings = cast(torch.nn.Embedding, model.get_input_embeddings())
        if len(tokenizer) > embeddings.num_embeddings:
            model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=ROWS)
            setattr(model.config, ADDED_ROWS, model.config.vocab_size - len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    generation = model.generation_config
    generation.pad_token_id = tokenizer.pad_token_id
    for stop in reversed(list_ends(tokenizer)):
        generation.eos_token_id = _add_stop(generation.eos_token_id, stop)
    found = {**origin.found, **(other.found if other else {}), **describe_template(tokenizer)}
    with build_folder(output) as folder:
        _save(model, tokenizer, folder)
        save_settings(folder, {**settings.model_dump(mode="json"), "found": found})
        require_model(folder)
    return found


def read_initial_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """Read the tokenizer of a model of the settings, and check it; no weights are loaded.

    Returns:
        The tokenizer, whose EOS is the token that ends a turn.

    Raises:
        InputError: as in `fetch_initial_model`.
    """
    return _read_tokenizer(settings, find_origin(settings, weights=False), find_tokenizer(settings))


def _load_model(settings: ModelSettings, origin: Origin) -> PreTrainedModel:
    if settings.gguf is None:
        return load_text_part(origin.folder, settings.dtype, **origin.arguments)
    return load_weights(
        AutoModelForCausalLM,
        origin.folder,
        settings.dtype,
        kind="language model",
        # with kernels for it, transformers would keep the weights quantised
        quantization_config=GgufConfig(dequantize=True),
        **origin.arguments,
    )


def _read_tokenizer(
    settings: ModelSettings, origin: Origin, other: Origin | None
) -> PreTrainedTokenizerBase:
    """Read and check the tokenizer of a model, or that of another model for it."""
    folder, arguments, _ = origin
    tokenizer = read_tokenizer(other.folder) if other else read_tokenizer(folder, **arguments)
    name = settings.tokenizer or settings.gguf or settings.path or folder
    rows = read_config(folder, **arguments).vocab_size
    require_embeddings(tokenizer.get_vocab(), rows, settings.gguf or settings.path or folder)
    adopt_end_of_turn(tokenizer, name)
    require_one_rendering(tokenizer, name)
    require_one_bos(tokenizer, name)
    return tokenizer


def _add_stop(stops: int | list[int] | None, token: int) -> int | list[int]:
    """Add a token to the tokens at which generation stops."""
    known = stops if isinstance(stops, list) else [stops] if stops is not None else []
    return token if set(known) <= {token} else [token, *(one for one in known if one != token)]


def _train_tokenizer(settings: TinyModelSettings, texts: list[str]) -> Tokenizer:
    if settings.tokenizer == "word_level":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(
            vocab_size=settings.vocab_size, special_tokens=SPECIAL_TOKENS, show_progress=False
        )
    else:
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        smallest = len(alphabet) + len(SPECIAL_TOKENS)
        if settings.vocab_size < smallest:
            raise InputError(
                "the vocabulary is too small",
                expected=f"vocab_size of at least {smallest} (bytes and special tokens)",
                found=str(settings.vocab_size),
                remedy="raise model.tiny.vocab_size, or use the word_level tokenizer",
            )
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.vocab_size,
            special_tokens=SPECIAL_TOKENS,
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write both to a folder; without a terminal, without a progress bar per file."""
    if not sys.stderr.isatty():
        disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
