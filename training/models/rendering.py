"""Tokenizers of model folders, and chat templates: messages rendered to token ids.

Every chat template is applied here: for training, scoring, sampling, judging and benchmarks. Only
the template writes the BOS and the end of a turn. A text that is rendered first and tokenized
afterwards would have two BOS, or none. Control tokens that a turn spells stay text
(`training.models.control_tokens`). Not here: batches and tensors (`training.models.batches`).
"""

import json
from array import array
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import polars as pl
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from training.models.checkpoint import require_model
from training.models.control_tokens import Message, mask_spans, read_control_tokens
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError
from transforms.identity import digest_settings

RENDERED_AT_ONCE = 1024
"""Prompts per call of the tokenizer."""


def load_tokenizer(folder: Path, *, pads: bool = True) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder.

    Args:
        folder: a complete model folder.
        pads: whether rows are padded with it, as in training and scoring; vLLM does not pad.

    Raises:
        InputError: the folder is not a complete model with a chat template; or rows are padded, and
            the tokenizer pads with the end-of-sequence token, which would mask the end of a turn.
    """
    require_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if pads and tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        raise InputError(
            f"the tokenizer of {folder} cannot pad",
            expected="a pad token that is not the end-of-sequence token",
            found=f"pad {tokenizer.pad_token}, eos {tokenizer.eos_token}",
            remedy="let training.models.initial_model.fetch_initial_model add one",
        )
    return tokenizer


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
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Message]]
) -> list[list[int]]:
    """Render prompts with the generation prompt, after which the assistant starts to write."""
    return _render(tokenizer, prompts, add_generation_prompt=True)


def render_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: pl.DataFrame,
    settings: SamplingSettings,
    *,
    context_tokens: int,
) -> list[array]:
    """Render every prompt to token ids (4 bytes per token); refuse a prompt that is too long.

    Raises:
        InputError: a prompt and max_tokens do not fit into `context_tokens`; the message gives its
            prompt_id.
    """
    limit = context_tokens - settings.max_tokens
    rendered: list[array] = []
    for chunk in prompts.iter_slices(RENDERED_AT_ONCE):
        for prompt_id, token_ids in zip(
            chunk["prompt_id"], tokenize_prompts(tokenizer, chunk["prompt"].to_list()), strict=True
        ):
            if len(token_ids) > limit:
                raise InputError(
                    f"prompt {prompt_id} is too long: no room is left for a response",
                    expected=f"at most {limit} tokens (max_context_tokens {context_tokens}"
                    f" - max_tokens {settings.max_tokens})",
                    found=f"{len(token_ids)} tokens",
                    remedy="raise sampling.max_context_tokens, lower sampling.max_tokens, or drop"
                    " the prompt",
                )
            rendered.append(array("i", token_ids))
    return rendered


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
    return _render(tokenizer, conversations, add_generation_prompt=False)


def extract_texts(responses: pl.Series) -> list[str]:
    """Return the texts of responses; each response is a list of one assistant message."""
    return [message["content"] for (message,) in responses.to_list()]


def tokenize_assistant_turns(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    template: str,
) -> tuple[list[list[int]], list[list[int]]]:
    """Render conversations with a template that marks the assistant's turns.

    Args:
        tokenizer: the tokenizer.
        conversations: complete conversations with any number of turns.
        template: a chat template with {% generation %} marks.

    Returns:
        Token ids, and masks of the same lengths (1 = a token that the assistant wrote).
    """
    known = read_control_tokens(tokenizer)
    token_ids: list[list[int]] = []
    masks: list[list[int]] = []
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


def find_end_of_turn(tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    """Find the token that ends an assistant's turn in the chat template and stops sampling.

    Candidates are the end-of-sequence tokens of the tokenizer and of `generation_config.json`, as
    in vLLM. The last candidate in a rendered turn is chosen (a template may write a newline after
    it).

    Raises:
        InputError: the template writes none of them, so a response would never end.
    """
    stops = {tokenizer.eos_token_id}
    if (folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(folder).eos_token_id
        stops |= set(eos if isinstance(eos, list) else [eos])
    (turn,) = tokenize_conversations(tokenizer, [[{"role": "user", "content": "a"}]], ["a"])
    ends = [token for token in turn if token in stops]
    if not ends:
        names = tokenizer.convert_ids_to_tokens(sorted(stops - {None}))
        raise InputError(
            f"the chat template of {folder} does not end the assistant's turn",
            expected=f"one of the stop tokens {names}",
            found=repr(tokenizer.decode(turn)),
            remedy="end the assistant's turn in the template with the tokenizer's eos token",
        )
    return ends[-1]


def _render(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    add_generation_prompt: bool,
) -> list[list[int]]:
    known = read_control_tokens(tokenizer)
    token_ids: list[list[int]] = []
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
            # Masks are not used here, and making them as Python lists takes a third of the time.
            tokenizer_kwargs={"return_attention_mask": False},
        )
        token_ids += cast(list[list[int]], rendered)
    return token_ids
