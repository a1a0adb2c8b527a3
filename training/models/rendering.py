"""Rendering: messages to token ids through a tokenizer's chat template, the only way in here.

Lives here: the tokenizer of a model folder, prompts, conversations, the end of a turn. Not here:
models. The special tokens are the template's: rendering to text and tokenizing that text again is
what gives a double BOS (or none), so it is done nowhere.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from training.runs.checkpoint import require_model
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

RENDERED_AT_ONCE = 1024
"""Prompts given to the tokenizer in one call."""

Message = dict[str, str]
"""One turn: `role` (system, user, assistant) and `content`."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder.

    Raises:
        InputError: the folder is not a complete model with a chat template.
    """
    require_model(folder)
    return AutoTokenizer.from_pretrained(folder)


def prompt_token_ids(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[Message]]
) -> list[list[int]]:
    """Render prompts up to where the assistant starts to write."""
    return _render(tokenizer, prompts, add_generation_prompt=True)


def render_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: pl.DataFrame,
    settings: SamplingSettings,
    *,
    context_tokens: int,
) -> list[array]:
    """Render every prompt to token ids, 4 bytes a token, and refuse those that leave no room.

    Raises:
        InputError: a prompt and max_tokens do not fit into `context_tokens`; it is named.
    """
    limit = context_tokens - settings.max_tokens
    rendered: list[array] = []
    for chunk in prompts.iter_slices(RENDERED_AT_ONCE):
        for prompt_id, token_ids in zip(
            chunk["prompt_id"], prompt_token_ids(tokenizer, chunk["prompt"].to_list()), strict=True
        ):
            if len(token_ids) > limit:
                raise InputError(
                    f"prompt {prompt_id} is too long to be answered",
                    expected=f"at most {limit} tokens (max_context_tokens {context_tokens}"
                    f" - max_tokens {settings.max_tokens})",
                    found=f"{len(token_ids)} tokens",
                    remedy="raise sampling.max_context_tokens, lower sampling.max_tokens, or drop"
                    " the prompt",
                )
            rendered.append(array("i", token_ids))
    return rendered


def conversation_token_ids(
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


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    """Find the token that the chat template ends an assistant's turn with, and sampling stops at.

    Candidates are the tokenizer's eos and those of `generation_config.json`, as in vLLM; the last
    one in a rendered turn is it (a template may write a newline after it).

    Raises:
        InputError: the template ends a turn with none of them, so a response would never end.
    """
    stops = {tokenizer.eos_token_id}
    if (folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(folder).eos_token_id
        stops |= set(eos if isinstance(eos, list) else [eos])
    (turn,) = conversation_token_ids(tokenizer, [[{"role": "user", "content": "a"}]], ["a"])
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
    if not conversations:
        return []
    return tokenizer.apply_chat_template(
        list(conversations),
        tokenize=True,
        add_generation_prompt=add_generation_prompt,
        return_dict=False,
        # masks are not read here, and as Python lists they take a third of the time
        tokenizer_kwargs={"return_attention_mask": False},
    )
