"""The end of an assistant's turn in a chat template, and checks of an initial model's template.

Not here: rendering (`training.models.rendering`), the initial model's folder
(`training.models.initial_model`).
"""

from pathlib import Path

from transformers import GenerationConfig, PreTrainedTokenizerBase

from training.models.rendering import (
    render_end,
    render_turn,
    tokenize_conversations,
    tokenize_prompts,
)
from transforms.errors import InputError


def find_end_of_turn(tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    """Find the token that ends an assistant's turn in the chat template and stops sampling.

    Candidates are the end-of-sequence tokens of the tokenizer and of `generation_config.json`, as
    in vLLM. The first candidate after the text of a rendered turn is chosen.

    Raises:
        InputError: the template writes none of them, so a response would never end.
    """
    stops = {tokenizer.eos_token_id}
    if (folder / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(folder).eos_token_id
        stops |= set(eos if isinstance(eos, list) else [eos])
    ends = [token for token in render_end(tokenizer) if token in stops]
    if not ends:
        names = tokenizer.convert_ids_to_tokens(sorted(stops - {None}))
        raise InputError(
            f"the chat template of {folder} does not end the assistant's turn",
            expected=f"one of the stop tokens {names}",
            found=repr(tokenizer.decode(render_turn(tokenizer))),
            remedy="end the assistant's turn in the template with the tokenizer's eos token",
        )
    return ends[0]


def adopt_end_of_turn(tokenizer: PreTrainedTokenizerBase, model: Path | str) -> None:
    """Make the token that ends an assistant's turn the tokenizer's end-of-sequence token.

    Training, padding and sampling stop at that token. A base model's tokenizer often has another
    one (Qwen2.5: `<|endoftext|>`, while the template writes `<|im_end|>`), and a model that is
    trained to write the second would never stop. The token is the first added token (no subword)
    after the text of a rendered turn. Where the template itself writes the tokenizer's
    end-of-sequence token after it (Phi-3: `<|end|>`, then `<|endoftext|>`), that one stays.

    Raises:
        InputError: the template ends a turn with no such token, or uses the old token elsewhere.
    """
    turn = render_turn(tokenizer)
    for end in list_ends(tokenizer):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
        if render_turn(tokenizer) == turn:
            return
    raise InputError(
        f"the chat template of {model} does not end the assistant's turn",
        expected="an end-of-turn token after the text, the same whatever eos_token is",
        found=repr(tokenizer.decode(turn)),
        remedy="end the assistant's turn in the template with the tokenizer's eos token",
    )


def list_ends(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """List the added tokens that the template writes after a response; sampling stops at each."""
    added = set(tokenizer.get_added_vocab().values()) - {tokenizer.unk_token_id}
    return [token for token in dict.fromkeys(render_end(tokenizer)) if token in added]


def count_after_end(tokenizer: PreTrainedTokenizerBase) -> int:
    """Count the tokens that the template writes after the token that ends an assistant's turn.

    ChatML templates write a line break. Sampling stops before it, so no policy is trained on it.
    """
    written, ends = render_end(tokenizer), set(list_ends(tokenizer))
    return next((len(written) - 1 - n for n, token in enumerate(written) if token in ends), 0)


def require_one_rendering(tokenizer: PreTrainedTokenizerBase, model: Path | str) -> None:
    """Refuse a chat template that renders a prompt in two ways, alone and before its response.

    The tokens that are sampled from and the tokens that are trained on would differ.
    """
    first = {"role": "user", "content": "a"}
    turns = [first, {"role": "assistant", "content": "a"}, first]
    for prompt in ([first], turns):
        (alone,) = tokenize_prompts(tokenizer, [prompt])
        (whole,) = tokenize_conversations(tokenizer, [prompt], ["a"])
        if whole[: len(alone)] != alone:
            raise InputError(
                f"the chat template of {model} renders a prompt in two ways",
                expected=f"a conversation that begins with its prompt {tokenizer.decode(alone)!r}",
                found=repr(tokenizer.decode(whole)),
                remedy="use a template that does not change earlier turns",
            )
