"""Rendering: messages to token ids through a tokenizer's chat template, the only way in here.

Lives here: the tokenizer of a model folder, prompts, conversations, the end of a turn. Not here:
models. The special tokens are the template's: rendering to text and tokenizing that text again is
what gives a double BOS (or none), so it is done nowhere.
"""

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from training.checkpoint import require_model
from transforms.errors import InputError

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
    )
