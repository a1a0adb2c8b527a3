"""What a given chat template writes by itself: a default system prompt, one BOS.

The template is taken as it is. What it adds to every conversation is recorded.
"""

from pathlib import Path

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from training.models.control_tokens import Message
from training.models.rendering import render_text, tokenize_prompts
from transforms.errors import InputError

MARK = "a system prompt that no template writes"


def describe_template(tokenizer: PreTrainedTokenizerBase) -> dict[str, str | None]:
    """Describe what a template and its tokenizer add to every conversation."""
    return {
        "default_system_prompt": find_default_system_prompt(tokenizer),
        "bos_token": tokenizer.bos_token,
        "end_of_turn_token": tokenizer.eos_token,
        "pad_token": tokenizer.pad_token,
    }


def find_default_system_prompt(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Find the system prompt that a template writes into a conversation without one.

    The same turn is rendered without a system turn and with a known one. The two texts differ only
    in the system prompt if there is a default one; without a default, a whole turn is missing.
    """
    turn: list[Message] = [{"role": "user", "content": "a"}]
    alone = render_text(tokenizer, turn, continue_last=False)
    try:
        led = [{"role": "system", "content": MARK}, *turn]
        given = render_text(tokenizer, led, continue_last=False)
    except TemplateError:  # the template has no system turns
        return None
    before, _, after = given.partition(MARK)
    is_same = alone.startswith(before) and alone.endswith(after)
    return alone[len(before) : len(alone) - len(after)] or None if is_same else None


def require_one_bos(tokenizer: PreTrainedTokenizerBase, model: Path | str) -> None:
    """Refuse a chat template that begins a conversation with two BOS.

    A template that writes `bos_token` and then begins every turn with the same token does so.
    """
    (tokens,) = tokenize_prompts(tokenizer, [[{"role": "user", "content": "a"}]])
    if tokens[:2] == [tokenizer.bos_token_id] * 2:
        raise InputError(
            f"the chat template of {model} begins a conversation with two BOS",
            expected=f"one {tokenizer.bos_token}",
            found=repr(tokenizer.decode(tokens)),
            remedy="remove one from the template",
        )
