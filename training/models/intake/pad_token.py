"""The token that pads an initial model's rows: one that no turn of a conversation contains.

Padding is masked, and a reward model is read at the last token that is not padding. So the end of a
turn cannot pad, although many tokenizers name it as their pad token.
"""

import re

from transformers import PreTrainedTokenizerBase

from training.models.rendering import render_turn

PAD = "<pad>"
"""Name of a pad token that is added."""

FREE = (
    # Llama 3, Gemma and others keep tokens free for later use
    re.compile(r"^<pad>$|^\[PAD\]$|_pad_id"),
    re.compile(r"reserved|unused|placeholder"),
    # StarCoder, SmolLM2 and Qwen-Coder have tokens that divide files of code before pre-training
    re.compile(r"^<\|?(repo_?name|file_?sep|filename|gh_stars|jupyter_\w+|empty_output)\|?>$"),
)
"""Names of special tokens that no conversation contains; the best ones first."""


def needs_pad_token(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Check whether the pad token is missing, or is one that a turn of the assistant contains."""
    return tokenizer.pad_token_id in (None, tokenizer.eos_token_id, *render_turn(tokenizer))


def find_free_token(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return a special token that no conversation contains; None if the tokenizer has none.

    Llama 3 has `<|finetune_right_pad_id|>` and `<|reserved_special_token_0|>`, Gemma `<unused0>`,
    SmolLM2 `<repo_name>`.
    """
    named = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id]
    taken = {*named, *render_turn(tokenizer)}
    template = str(tokenizer.chat_template)
    free = [
        str(token)
        for number, token in sorted(tokenizer.added_tokens_decoder.items())
        if number not in taken and str(token) not in template
    ]
    return next((token for name in FREE for token in free if name.search(token)), None)
