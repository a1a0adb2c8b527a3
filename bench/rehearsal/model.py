"""The initial model of the dress rehearsal: Llama-3's architecture and tokenizer kind, two layers.

As on the hub, there are two folders: a base model, whose tokenizer has no chat template, and the
tokenizer of the instruction-tuned model, which has one and ends a turn with another token. The
weights are random and bfloat16. Not here: `training.models.initial_model`, which joins the two.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
from trl.chat_template_utils import llama3_chat_template

BEGIN, END, END_OF_TURN = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
SPECIAL_TOKENS = [
    BEGIN,
    END,
    *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    END_OF_TURN,
    *(f"<|reserved_special_token_{number}|>" for number in range(5, 251)),
]
"""The 256 special tokens of Llama 3, in its order, after the other tokens."""

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Llama 3's division of a text into words, before the byte pairs."""

MERGED_TOKENS = 768
"""Tokens that are no special ones: 256 bytes and merged pairs."""
RESPONSE_TOKENS = 40
"""Tokens after which a response of the random model ends, roughly."""
CONTEXT_SAMPLE = 256
"""Tokens of the text whose hidden states are measured."""
CONSTANT = 4.0
"""Value of the constant channel; the others are about 0.1."""


def make_model(folder: Path, tokenizer_folder: Path, texts: Iterable[str], context: int) -> None:
    """Write the base model with its tokenizer, and the tokenizer with a chat template.

    Args:
        folder: folder of the base model.
        tokenizer_folder: folder of the tokenizer with a chat template.
        texts: texts that the tokenizer is trained on.
        context: context of the model, tokens.
    """
    tokenizer = _train_tokenizer(texts)

    def wrap(end: str, template: str | None) -> PreTrainedTokenizerFast:
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            bos_token=BEGIN,
            eos_token=end,
            chat_template=template,
            model_max_length=context,
            clean_up_tokenization_spaces=False,
            model_input_names=["input_ids", "attention_mask"],
        )

    base = wrap(END, None)
    set_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(base),
            hidden_size=128,
            intermediate_size=448,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            max_position_embeddings=context,
            rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
            rms_norm_eps=1e-5,
            initializer_range=0.1,
            tie_word_embeddings=False,
            bos_token_id=base.bos_token_id,
            eos_token_id=base.eos_token_id,
            pad_token_id=None,
        )
    )
    _shape_responses(model, base)
    model.to(torch.bfloat16).save_pretrained(folder)
    base.save_pretrained(folder)
    wrap(END_OF_TURN, llama3_chat_template).save_pretrained(tokenizer_folder)


def is_text(text: str) -> bool:
    """Whether the text of a token may be sampled: whole characters that are printed."""
    return bool(text) and text.isprintable() and "\ufffd" not in text


def _shape_responses(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give some tokens a constant logit, so that sampled responses are texts that end.

    One channel of the residual stream is constant: the same in all embeddings, written by no layer.
    Only the output rows of these tokens read it: the end of turn, and tokens that are no text.
    """
    tokens = range(len(tokenizer))
    texts = [tokenizer.decode([token], skip_special_tokens=True) for token in tokens]
    silent = [token for token, text in zip(tokens, texts, strict=True) if not is_text(text)]
    end_of_turn = tokenizer.convert_tokens_to_ids(END_OF_TURN)
    written = [token for token in tokens if token not in silent]
    head, inner = model.lm_head.weight, model.model
    with torch.no_grad():
        inner.embed_tokens.weight[:, 0] = CONSTANT
        for layer in inner.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        states = inner(input_ids=torch.tensor([written[:CONTEXT_SAMPLE]])).last_hidden_state[0]
        constant, others = states[:, 0].mean(), head[written, 1:] @ states[:, 1:].T
        head[:, 0] = 0.0
        head[silent] = 0.0
        head[silent, 0] = -30.0 / constant
        likely = others.logsumexp(dim=0).mean() - math.log(RESPONSE_TOKENS)
        head[end_of_turn, 0] = likely / constant


def _train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=MERGED_TOKENS,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{BEGIN} $A",
                pair=f"{BEGIN} $A {BEGIN}:1 $B:1",
                special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))],
            ),
        ]
    )
    return tokenizer
