"""The tokenizer of a model as metadata of a GGUF file, for llama.cpp's byte-pair tokenizers.

llama.cpp splits text into words by rules that are part of its program; a file only names one. So a
tokenizer can be written if llama.cpp has its rule. Not here: weights (`training.export.gguf_file`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

from training.models.rendering import load_tokenizer
from transforms.errors import InputError

BYTE_LEVEL = ("ByteLevel", False, True)
"""Split into words as GPT-2 does, then into bytes; no space is added before the text."""

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PRE_TOKENIZERS: Mapping[tuple, str] = {
    (BYTE_LEVEL,): "gpt-2",
    (("Digits", True), BYTE_LEVEL): "smollm",
    (("Split", LLAMA_3, "Isolated", False), ("ByteLevel", False, False)): "llama-bpe",
}
"""Name in llama.cpp of the rule, by the steps of the tokenizer."""

DECISIVE: Mapping[str, tuple[str, ...]] = {
    "ByteLevel": ("add_prefix_space", "use_regex"),
    "Digits": ("individual_digits",),
    "Split": ("pattern", "behavior", "invert"),
}
"""Settings of a step that decide how text is split."""


def find_pre_tokenizer(model: Path) -> str:
    """Return llama.cpp's name of the rule by which a tokenizer splits text into words.

    Raises:
        InputError: llama.cpp has no such rule, or the tokenizer is not a byte-pair tokenizer.
    """
    rules = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    step = rules["pre_tokenizer"] or {"type": "none"}
    steps = tuple(_describe(one) for one in step.get("pretokenizers", [step]))
    name = PRE_TOKENIZERS.get(steps)
    if name is None or rules["normalizer"] or rules["model"]["type"] != "BPE":
        raise InputError(
            f"the tokenizer of {model} cannot be written as GGUF",
            expected="a byte-pair tokenizer that splits text as GPT-2, SmolLM2 or Llama 3 does",
            found=f"{rules['model']['type']}, which splits by {steps}"
            + (" after a normaliser" if rules["normalizer"] else ""),
            remedy="convert the exported folder with llama.cpp's convert_hf_to_gguf.py",
        )
    return name


def add_tokenizer(writer: gguf.GGUFWriter, model: Path, rows: int) -> None:
    """Add vocabulary, merges, special tokens and chat template to a file.

    Args:
        writer: the file.
        model: the model folder.
        rows: rows of the embeddings; a row without a token gets the name `[PAD<row>]`, as in
            llama.cpp.
    """
    tokenizer = load_tokenizer(model)
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    types = [
        gguf.TokenType.UNUSED
        if number not in names
        else gguf.TokenType.NORMAL
        if number not in added
        else gguf.TokenType.CONTROL
        if added[number].special
        else gguf.TokenType.USER_DEFINED
        for number in range(rows)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(find_pre_tokenizer(model))
    writer.add_token_list([names.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types(types)
    special = gguf.SpecialVocab(model, load_merges=True)
    begin: Any = tokenizer("a")["input_ids"][0]
    # without the key, llama.cpp has a default per rule
    special.add_special_token["bos"] = begin == tokenizer.bos_token_id
    special.add_to_gguf(writer, quiet=True)


def _describe(step: Mapping[str, Any]) -> tuple:
    """Return the type of a step and the values that decide how it splits."""
    values = (step.get(name) for name in DECISIVE.get(step["type"], ()))
    return step["type"], *(one["Regex"] if isinstance(one, dict) else one for one in values)
