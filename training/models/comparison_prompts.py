"""The prompt that compares two responses, and the labels A and B (paper, section 2.2).

The instruction, its token ids, the tokens of the labels, the order of the responses. Not here:
models. The instruction goes through the model's chat template as a user turn, up to where the
assistant answers, so the template writes the one BOS. A template may trim the turn; training and
comparing go through the same one.

Deviation 1 from the published code: a turn is named by its role, there by its place (equal wherever
user and assistant take turns). Deviation 2: positions are drawn by a hash of the pair's id, there
by an unseeded generator.
"""

from collections.abc import Sequence

from transformers import AddedToken, PreTrainedTokenizerBase

from training.models.rendering import Message, tokenize_conversations, tokenize_prompts
from transforms.errors import InputError
from transforms.identity import digest

LABELS = ("A", "B")
"""The answer where the first response is better, and where the second is."""

MARKS = ("[CONTEXT]", "[RESPONSE A]", "[RESPONSE B]", "<turn> user", "<turn> assistant")
"""Marks that the instruction adds to the texts."""

Comparison = tuple[Sequence[Message], str, str]
"""A prompt and two responses to it."""


def write_instruction(prompt: Sequence[Message], first: str, second: str) -> str:
    """Write the instruction: context, then the response at A, then the response at B."""
    turns = "".join(f"\n\n<turn> {turn['role']}\n {turn['content']}" for turn in prompt)
    return f"[CONTEXT] \n{turns}\n\n\n [RESPONSE A] {first} [RESPONSE B] {second} \n"


def tokenize_comparisons(
    tokenizer: PreTrainedTokenizerBase, comparisons: Sequence[Comparison]
) -> list[list[int]]:
    """Render comparisons up to the place of the label, one list of token ids each."""
    texts = [write_instruction(*comparison) for comparison in comparisons]
    return tokenize_prompts(tokenizer, [[{"role": "user", "content": text}] for text in texts])


def find_label_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """Find the tokens of the labels A and B, as the chat template writes them.

    Raises:
        InputError: the two answers do not differ in exactly one token.
    """
    question = [[{"role": "user", "content": "?"}]] * len(LABELS)
    answers = tokenize_conversations(tokenizer, question, LABELS)
    differing = [ids for ids in zip(*answers, strict=False) if len(set(ids)) > 1]
    written = [tokenizer.decode([token]).strip() for ids in differing for token in ids]
    if len(answers[0]) != len(answers[1]) or written != list(LABELS):
        raise InputError(
            f"the tokenizer {tokenizer.name_or_path} does not write A and B as one token each",
            expected="answers A and B that differ in one token",
            found=" and ".join(str(tokenizer.convert_ids_to_tokens(ids)) for ids in answers),
            remedy="train the model with training.preference_model, which adds unknown words, or"
            " take another model",
        )
    return differing[0]


def add_unknown_words(tokenizer: PreTrainedTokenizerBase) -> int:
    """Add the words of the format that a tokenizer lacks; return the number of new tokens.

    A vocabulary of whole words, trained on other texts, reads A and B alike: as the unknown token.
    A vocabulary of bytes or of pieces knows every word, and nothing is added.
    """
    unknown = tokenizer.unk_token_id
    words = [
        AddedToken(word, single_word=word in LABELS, normalized=False)
        for word in (*MARKS, *LABELS)
        if unknown is not None and unknown in tokenizer.encode(word, add_special_tokens=False)
    ]
    return tokenizer.add_tokens(words)


def is_chosen_first(pair_id: str) -> bool:
    """Return whether chosen is response A: a bit of the hash of the pair's id, on every machine."""
    return int(digest(pair_id)[-1], 16) % 2 == 0
