"""The comparison prompt of a preference model, and its labels A and B (paper, section 2.2).

The chat template renders the instruction as a user turn followed by the generation prompt, so the
template writes the one BOS. A template may trim the turn. Training and comparison use the same
template.

Deviation 1 from the published code: a turn is labelled by its role; there it is labelled by its
position (the same result where user and assistant alternate). Deviation 2: which response is A is
decided by a hash of the pair's id; there by an unseeded generator.
"""

from collections.abc import Sequence

from transformers import AddedToken, PreTrainedTokenizerBase

from training.models.control_tokens import Message
from training.models.rendering import tokenize_conversations, tokenize_prompts
from transforms.errors import InputError
from transforms.identity import digest

LABELS = ("A", "B")
"""Answers: A if the first response is better, B if the second is."""

MARKS = ("[CONTEXT]", "[RESPONSE A]", "[RESPONSE B]", "<turn> user", "<turn> assistant")
"""Markers that the instruction adds around the texts."""

Comparison = tuple[Sequence[Message], str, str]
"""A prompt and two responses to it."""


def write_instruction(prompt: Sequence[Message], first: str, second: str) -> str:
    """Write the instruction: context, response A, response B."""
    turns = "".join(f"\n\n<turn> {turn['role']}\n {turn['content']}" for turn in prompt)
    return f"[CONTEXT] \n{turns}\n\n\n [RESPONSE A] {first} [RESPONSE B] {second} \n"


def tokenize_comparisons(
    tokenizer: PreTrainedTokenizerBase, comparisons: Sequence[Comparison]
) -> list[list[int]]:
    """Render comparisons up to the position of the label; return one list of token ids each."""
    texts = [write_instruction(*comparison) for comparison in comparisons]
    return tokenize_prompts(tokenizer, [[{"role": "user", "content": text}] for text in texts])


def find_label_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """Find the tokens of the labels A and B in an answer that the chat template renders.

    Raises:
        InputError: the two answers do not differ in exactly one token.
    """
    question = [[{"role": "user", "content": "?"}]] * len(LABELS)
    answers = tokenize_conversations(tokenizer, question, LABELS)
    differing = [ids for ids in zip(*answers, strict=False) if len(set(ids)) > 1]
    written = [str(tokenizer.decode([token])).strip() for ids in differing for token in ids]
    if len(answers[0]) != len(answers[1]) or written != list(LABELS):
        raise InputError(
            f"the tokenizer {tokenizer.name_or_path} does not write A and B as one token each",
            expected="answers A and B that differ in one token",
            found=" and ".join(str(tokenizer.convert_ids_to_tokens(ids)) for ids in answers),
            remedy="train the model with training.preference_model, which adds unknown words, or"
            " use another model",
        )
    return differing[0]


def add_unknown_words(tokenizer: PreTrainedTokenizerBase) -> int:
    """Add the markers and labels that the vocabulary does not have; return how many were added.

    A word-level vocabulary that was trained on other texts reads both A and B as the unknown token.
    A vocabulary of bytes or subwords can write every word, so nothing is added to it.
    """
    unknown = tokenizer.unk_token_id
    words = [
        AddedToken(word, single_word=word in LABELS, normalized=False)
        for word in (*MARKS, *LABELS)
        if unknown is not None and unknown in tokenizer.encode(word, add_special_tokens=False)
    ]
    return tokenizer.add_tokens(words)


def is_chosen_first(pair_id: str) -> bool:
    """Check whether chosen is response A: one bit of the pair id's hash, equal on all machines."""
    return int(digest(pair_id)[-1], 16) % 2 == 0
