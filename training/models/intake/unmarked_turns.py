"""The assistant's tokens in a conversation whose chat template does not mark them.

A conversation is rendered up to the start of a turn and up to its end: the tokens between the two
are those of the turn. This needs a template that does not change earlier turns, which is checked
in every conversation. Not here: templates with {% generation %} marks
(`training.models.rendering.tokenize_assistant_turns`).
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from training.models.control_tokens import Message
from training.models.end_of_turn import count_after_end, list_ends
from training.models.rendering import render_turn, tokenize_prompts, tokenize_turns
from transforms.errors import InputError


def tokenize_unmarked_turns(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    keys: Sequence[str],
) -> tuple[list[list[int]], list[list[int]]]:
    """Render conversations, and find the tokens that the assistant writes.

    They are those after the generation prompt up to the token that ends the turn. What a template
    writes after that token, such as a line break, is not among them.

    Args:
        tokenizer: the tokenizer.
        conversations: complete conversations with any number of turns.
        keys: keys of the conversations, for an error message.

    Returns:
        Token ids, and masks of the same lengths (1 = a token that the assistant writes).

    Raises:
        InputError: the template ends no turn; or a conversation begins with the assistant, or does
            not begin with its own first turns.
    """
    if not list_ends(tokenizer):
        raise InputError(
            f"the chat template of {tokenizer.name_or_path} does not end the assistant's turn",
            expected="a special token after the text",
            found=repr(tokenizer.decode(render_turn(tokenizer))),
            remedy="end the assistant's turn in the template with the tokenizer's eos token",
        )
    token_ids = tokenize_turns(tokenizer, conversations, keys)
    turns = [
        (row, turn)
        for row, messages in enumerate(conversations)
        for turn, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
    if first := [row for row, turn in turns if turn == 0]:
        raise InputError(
            f"a conversation begins with the assistant: {keys[first[0]]}",
            expected="a turn before the assistant's, because the chat template does not mark turns",
            found=f"{len(first)} conversations that begin with the assistant",
            remedy="drop the rows, or add {% generation %} marks to the chat template",
        )
    named = [keys[row] for row, _ in turns]
    prompts = [conversations[row][:turn] for row, turn in turns]
    finished = [conversations[row][: turn + 1] for row, turn in turns]
    starts = tokenize_prompts(tokenizer, prompts, named)
    ends = tokenize_turns(tokenizer, finished, named)
    after = count_after_end(tokenizer)
    masks = [[0] * len(ids) for ids in token_ids]
    for (row, _), start, end in zip(turns, starts, ends, strict=True):
        for part in (start, end):
            _require_beginning(tokenizer, token_ids[row], part, keys[row])
        stop = len(end) - after
        masks[row][len(start) : stop] = [1] * (stop - len(start))
    return token_ids, masks


def _require_beginning(
    tokenizer: PreTrainedTokenizerBase, whole: list[int], part: list[int], key: str
) -> None:
    if whole[: len(part)] != part:
        raise InputError(
            f"the chat template changes earlier turns of a conversation: {key}",
            expected=f"a conversation that begins with {tokenizer.decode(part)!r}",
            found=repr(tokenizer.decode(whole)),
            remedy="add {% generation %} marks to the chat template, or use one that does not"
            " change earlier turns",
        )
