"""Control tokens that a text spells, such as `<|im_end|>`: they stay text and forge no turns.

A chat template ends turns with control tokens, the special tokens of the tokenizer. A tokenizer
finds their names also in what a person or a policy has written. So two marks replace each name: one
in the texts before the template is applied, another one in what the template wrote. A copy of the
tokenizer knows the control tokens by the second marks only; for it, the names are text like any
other. Marks have as many characters as the names, so that positions in the text do not move.

Not here: chat templates (`training.models.rendering`).
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from transforms.errors import InputError

Message = dict[str, str]
"""One turn: `role` (system, user, assistant) and `content`."""

TEMPLATE_MARK, TEXT_MARK = 0xF0000, 0x100000
"""First characters of the marks: the private planes of Unicode, which hardly any text uses."""

PRIVATE = re.compile(f"[{chr(TEMPLATE_MARK)}-{chr(0x10FFFF)}]")


class ControlTokens:
    """The control tokens of a tokenizer, and a copy of it that knows them by marks."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Read the names; the copy is made when a text spells one."""
        added = tokenizer.added_tokens_decoder.values()
        names = {str(token) for token in added if token.special} | set(tokenizer.all_special_tokens)
        # the longest first, as in the tokenizer: one name may begin with another one
        in_order = sorted(names, key=lambda name: (-len(name), name))
        self._names = {name: number for number, name in enumerate(in_order)}
        self._pattern = re.compile("|".join(map(re.escape, self._names)) or r"(?!)")
        self._copy: Tokenizer | None = None

    def occur_in(self, text: str) -> bool:
        """Check whether a text spells a control token."""
        return self._pattern.search(text) is not None

    def mark(self, text: str) -> str:
        """Replace the control tokens that a text spells by their marks.

        Raises:
            InputError: the text has characters of the marks.
        """
        if found := PRIVATE.search(text):
            raise InputError(
                "a text spells a control token and has characters that stand for control tokens",
                expected="no characters of the private planes of Unicode, U+F0000 and above",
                found=f"U+{ord(found[0]):X} in {text[:80]!r}",
                remedy="remove the characters from the text, or drop its row",
            )
        return self._replace(text, TEXT_MARK)

    def occur_in_turns(self, messages: Sequence[Message]) -> bool:
        """Check whether a turn of a conversation spells a control token."""
        return any(self.occur_in(message["content"]) for message in messages)

    def mark_turns(self, messages: Sequence[Message]) -> list[Message]:
        """Replace the control tokens that the turns spell by their marks (`mark`)."""
        return [{**message, "content": self.mark(message["content"])} for message in messages]

    def encode(self, rendered: str, tokenizer: PreTrainedTokenizerBase) -> Encoding:
        """Tokenize what a template made of marked texts; `tokenizer` is the one of the names."""
        marked = self._replace(rendered, TEMPLATE_MARK)
        for name, number in self._names.items():
            marked = marked.replace(_write_mark(TEXT_MARK, number, name), name)
        if self._copy is None:
            self._copy = self._copy_tokenizer(tokenizer)
        return self._copy.encode(marked, add_special_tokens=False)

    def _replace(self, text: str, mark: int) -> str:
        return self._pattern.sub(
            lambda found: _write_mark(mark, self._names[found[0]], found[0]), text
        )

    def _copy_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
        if not tokenizer.is_fast:
            raise InputError(
                f"the tokenizer {tokenizer.name_or_path} cannot keep control tokens as text",
                expected="a tokenizer with the file tokenizer.json",
                found=f"{type(tokenizer).__name__}, and texts that spell control tokens",
                remedy="convert the tokenizer, or drop the rows",
            )
        marks = {
            name: _write_mark(TEMPLATE_MARK, number, name) for name, number in self._names.items()
        }
        rules: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
        rules["truncation"] = rules["padding"] = None
        for token in rules["added_tokens"]:
            token["content"] = marks.get(token["content"], token["content"])
        model = rules["model"]
        vocabulary = model["vocab"]
        model["vocab"] = (
            {marks.get(token, token): number for token, number in vocabulary.items()}
            if isinstance(vocabulary, dict)
            else [[marks.get(token, token), score] for token, score in vocabulary]
        )
        if model.get("unk_token") in marks:
            model["unk_token"] = marks[model["unk_token"]]
        return Tokenizer.from_str(json.dumps(rules))


_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[int, ControlTokens]] = WeakKeyDictionary()


def read_control_tokens(tokenizer: PreTrainedTokenizerBase) -> ControlTokens:
    """Return the control tokens of a tokenizer; they are read once per size of its vocabulary."""
    size, known = _KNOWN.get(tokenizer, (0, None))
    if known is None or size != len(tokenizer):
        known = ControlTokens(tokenizer)
        _KNOWN[tokenizer] = len(tokenizer), known
    return known


def tokenize_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Tokenize texts without a template; control tokens that they spell stay text."""
    known = read_control_tokens(tokenizer)
    return [
        known.encode(known.mark(text), tokenizer).ids
        if known.occur_in(text)
        else tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in texts
    ]


def mask_spans(encoding: Encoding, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return a mask of tokens: 1 in spans of characters, as in transformers, else 0."""
    mask = [0] * len(encoding.ids)
    for start, end in spans:
        first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
        if first is None:
            break
        stop = last + 1 if last else len(mask)
        mask[first:stop] = [1] * (stop - first)
    return mask


def _write_mark(first: int, number: int, name: str) -> str:
    return chr(first + number) * len(name)
