"""Tokenizers of model folders, and chat templates: messages rendered to token ids.

Every chat template is applied here: for training, scoring, sampling, judging and benchmarks. Only
the template writes the BOS and the end of a turn. A text that is rendered first and tokenized
afterwards would have two BOS, or none. Control tokens that a turn spells stay text
(`training.models.control_tokens`). Not here: batches and tensors (`training.models.batches`).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, cast

import polars as pl
from jinja2 import TemplateError
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from training.models.checkpoint import require_model
from training.models.control_tokens import Message, mask_spans, read_control_tokens
from training.models.loading.config import read_config, require_embeddings
from transforms.errors import InputError
from transforms.identity import digest_settings, identify_messages

RENDERED_AT_ONCE = 1024
"""Rows per call of the tokenizer."""
SILENT = {"verbose": False}
"""No warning about a row that is longer than the model's context: stages drop it by its count."""
TOKEN_IDS = pl.List(pl.Int32)
"""Type of a column of token ids, or of labels."""


def load_tokenizer(folder: Path, *, pads: bool = True) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder.

    Args:
        folder: a complete model folder.
        pads: whether rows are padded with it, as in training and scoring; vLLM does not pad.

    Raises:
        InputError: the folder is not a complete model with a chat template; a token has no row in
            the embeddings; or rows are padded, and the pad token is one that the chat template
            writes, such as the end of a turn, which would be masked.
    """
    require_model(folder)
    tokenizer = read_tokenizer(folder)
    require_embeddings(tokenizer.get_vocab(), read_config(folder).vocab_size, folder)
    if pads and tokenizer.pad_token_id in (None, tokenizer.eos_token_id, *render_turn(tokenizer)):
        raise InputError(
            f"the tokenizer of {folder} cannot pad",
            expected="a pad token that is no end of a sequence or of a turn",
            found=f"pad {tokenizer.pad_token}, eos {tokenizer.eos_token}, a turn of the assistant"
            f" {tokenizer.decode(render_turn(tokenizer))!r}",
            remedy="let training.models.initial_model.fetch_initial_model add one",
        )
    return tokenizer


def read_tokenizer(model: Path | str, **origin: str | None) -> PreTrainedTokenizerBase:
    """Read a tokenizer and its chat template from a folder or the hub.

    Of a set of named templates the one called `default` is used, as in transformers.

    Args:
        model: folder, or hub id.
        origin: `revision` of the hub model, or `gguf_file` in the folder.

    Raises:
        InputError: there is no tokenizer, no chat template, or a set of templates without default.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, **origin)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the tokenizer of {model} cannot be read",
            expected="the files of a tokenizer that transformers knows, without code of its own",
            found=str(error).strip().partition("\n")[0],
            remedy="use another model, or save its tokenizer again",
        ) from None
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template is None:
        named = isinstance(tokenizer.chat_template, dict)
        raise InputError(
            f"the tokenizer of {model} has no chat template to use",
            expected="a chat template, or a set of templates with one called default",
            found=f"the templates {', '.join(tokenizer.chat_template)}" if named else "none",
            remedy="save the template of your choice as chat_template.jinja in the model's folder",
        )
    tokenizer.chat_template = template
    return tokenizer


def list_unknown_ids(folder: Path) -> list[int]:
    """List the rows of a model's embeddings that belong to no token of its tokenizer."""
    known = set(read_tokenizer(folder).get_vocab().values())
    return [row for row in range(read_config(folder).vocab_size) if row not in known]


def hash_rendering(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash a tokenizer's vocabulary, rules and special tokens, and its chat template.

    Two tokenizers with the same hash render a conversation to the same token ids.
    """
    rules = {"vocabulary": tokenizer.get_vocab()}
    if tokenizer.is_fast:
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        del rules["padding"], rules["truncation"]  # state of the last call
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return digest_settings([rules, special, tokenizer.chat_template])


def tokenize_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[Message]],
    keys: Sequence[str] | None = None,
) -> list[list[int]]:
    """Render prompts with the generation prompt, after which the assistant starts to write.

    Args:
        tokenizer: the tokenizer.
        prompts: conversations without the assistant's next turn.
        keys: their keys, for an error message; by default their prompt_id.
    """
    return _render(tokenizer, prompts, keys=keys, add_generation_prompt=True)


def tokenize_turns(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    keys: Sequence[str] | None = None,
) -> list[list[int]]:
    """Render conversations whose last turn is finished; `keys` as in `tokenize_prompts`."""
    return _render(tokenizer, conversations, keys=keys, add_generation_prompt=False)


def tokenize_conversations(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[Message]],
    responses: Sequence[str],
) -> list[list[int]]:
    """Render prompts with the assistant's response as the last, finished turn."""
    conversations = [
        [*prompt, {"role": "assistant", "content": response}]
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    return tokenize_turns(tokenizer, conversations)


def extract_texts(responses: pl.Series) -> list[str]:
    """Return the texts of responses; each response is a list of one assistant message."""
    return [message["content"] for (message,) in responses.to_list()]


def tokenize_assistant_turns(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    template: str,
    keys: Sequence[str] | None = None,
) -> tuple[list[list[int]], list[list[int]]]:
    """Render conversations with a template that marks the assistant's turns.

    Args:
        tokenizer: the tokenizer.
        conversations: complete conversations with any number of turns.
        template: a chat template with {% generation %} marks.
        keys: keys of the conversations, for an error message; by default their prompt_id.

    Returns:
        Token ids, and masks of the same lengths (1 = a token that the assistant wrote).
    """
    known = read_control_tokens(tokenizer)
    token_ids: list[list[int]] = []
    masks: list[list[int]] = []
    with _name_refused(tokenizer, conversations, keys):
        for spells, group in groupby(conversations, known.occur_in_turns):
            if spells:
                marked = [known.mark_turns(messages) for messages in group]
                texts, spans = cast(Any, render_jinja_template)(
                    conversations=marked,
                    chat_template=template,
                    return_assistant_tokens_mask=True,
                    **tokenizer.special_tokens_map,
                )
                encodings = [known.encode(text, tokenizer) for text in texts]
                token_ids += [encoding.ids for encoding in encodings]
                masks += map(mask_spans, encodings, spans)
                continue
            rendered: Any = tokenizer.apply_chat_template(
                [list(messages) for messages in group],
                chat_template=template,
                return_dict=True,
                return_assistant_tokens_mask=True,
                tokenizer_kwargs=SILENT,
            )
            token_ids += rendered["input_ids"]
            masks += rendered["assistant_masks"]
    return token_ids, masks


def render_text(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, continue_last: bool
) -> str:
    """Render messages as text, for a library that tokenizes texts itself.

    That library reads control tokens that a message spells as control tokens.

    Args:
        tokenizer: the tokenizer.
        messages: one conversation.
        continue_last: True if the last message is the beginning of the assistant's answer, which is
            continued; False if the answer begins after it.
    """
    text = tokenizer.apply_chat_template(
        list(messages),
        tokenize=False,
        add_generation_prompt=not continue_last,
        continue_final_message=continue_last,
    )
    return cast(str, text)


def render_turn(tokenizer: PreTrainedTokenizerBase, text: str = "a") -> list[int]:
    """Render a turn of the assistant with a text: the tokens after the prompt.

    The prompt is left out, because a user's turn may end with a token that ends the assistant's.
    """
    prompt = [{"role": "user", "content": "a"}]
    (whole,) = tokenize_conversations(tokenizer, [prompt], [text])
    (before,) = tokenize_prompts(tokenizer, [prompt])
    return whole[_count_equal(before, whole) :]


def render_end(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Render what a template writes after the text of an assistant's turn."""
    one, other = render_turn(tokenizer, "a"), render_turn(tokenizer, "b")
    return one[len(one) - _count_equal(one[::-1], other[::-1]) :]


def _count_equal(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the equal tokens at the beginning of two sequences."""
    same = (token == paired for token, paired in zip(one, other, strict=False))
    return sum(takewhile(bool, same))


def _render(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    keys: Sequence[str] | None,
    add_generation_prompt: bool,
) -> list[list[int]]:
    known = read_control_tokens(tokenizer)
    token_ids: list[list[int]] = []
    with _name_refused(tokenizer, conversations, keys):
        for spells, group in groupby(conversations, known.occur_in_turns):
            if spells:
                for messages in group:
                    text = tokenizer.apply_chat_template(
                        known.mark_turns(messages),
                        tokenize=False,
                        add_generation_prompt=add_generation_prompt,
                    )
                    token_ids.append(known.encode(cast(str, text), tokenizer).ids)
                continue
            rendered = tokenizer.apply_chat_template(
                [list(messages) for messages in group],
                tokenize=True,
                add_generation_prompt=add_generation_prompt,
                return_dict=False,
                # Masks are not used here; as Python lists they take a third of the time.
                tokenizer_kwargs={"return_attention_mask": False, **SILENT},
            )
            token_ids += cast(list[list[int]], rendered)
    return token_ids


@contextmanager
def _name_refused(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    keys: Sequence[str] | None = None,
) -> Iterator[None]:
    """Name the conversation that a chat template refuses, by its key or its prompt_id."""
    try:
        yield
    except TemplateError:
        for number, turns in enumerate(conversations):
            messages = list(turns)
            try:
                tokenizer.apply_chat_template(messages, tokenize=False)
            except TemplateError as error:
                key = keys[number] if keys else f"prompt_id {_identify_prompt(messages)}"
                raise InputError(
                    f"the chat template of {tokenizer.name_or_path} refuses a conversation: {key}",
                    expected="a conversation that the template can render",
                    found=f"turns {', '.join(turn['role'] for turn in messages)}; the template"
                    f" says: {error}",
                    remedy="if it refuses the system turn, set system_turn: fold (or remove) on"
                    " the row's source; else drop the row",
                ) from None
        raise


def _identify_prompt(messages: list[Message]) -> str:
    """Return the prompt_id of a prompt, or of a prompt with its response."""
    prompt = messages[:-1] if messages[-1]["role"] == "assistant" else messages
    return pl.DataFrame({"prompt": [prompt]}).select(identify_messages("prompt")).item()
