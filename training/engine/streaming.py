"""Replies of a policy, token by token, with transformers: for a conversation with a person.

vLLM samples thousands of responses faster (`training.engine.sampler`), but starts in half a minute.
Rendering, end of turn and masked tokens are the same in both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase, TextStreamer
from transformers.utils.logging import disable_progress_bar

from training.models.control_tokens import Message
from training.models.end_of_turn import find_end_of_turn, list_ends
from training.models.loading.config import has_added_rows, read_config, read_context_tokens
from training.models.loading.weights import load_causal_model
from training.models.rendering import list_unknown_ids, load_tokenizer, tokenize_prompts
from transforms.errors import InputError

Write = Callable[[str], None]
"""Called with each new part of a reply."""


@dataclass(frozen=True)
class Reply:
    """A finished reply."""

    text: str
    finish_reason: str
    """stop | length: it ends at max_tokens | interrupted: by Ctrl-C."""


class StreamedPolicy:
    """A policy in memory, on a GPU if there is one."""

    def __init__(self, folder: Path) -> None:
        """Load weights and tokenizer.

        Raises:
            InputError: the folder is not a whole language model with a chat template, or the
                template does not end a turn.
        """
        disable_progress_bar()  # it would stay on the screen, above the conversation
        self.tokenizer = load_tokenizer(folder, pads=False)
        self.stops = sorted({find_end_of_turn(self.tokenizer, folder), *list_ends(self.tokenizer)})
        self.context_tokens = read_context_tokens(folder)
        self.unknown = list_unknown_ids(folder) if has_added_rows(folder) else []
        device = "cuda" if torch.cuda.is_available() else "cpu"
        stored = str(read_config(folder).dtype or torch.float32).removeprefix("torch.")
        model: Any = load_causal_model(folder, stored)  # transformers' `to` has no usable type
        self.model = model.to(device).eval()

    def reply(
        self,
        messages: Sequence[Message],
        write: Write,
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
    ) -> Reply:
        """Sample the assistant's next turn. Ctrl-C ends it, and what was written is kept.

        Args:
            messages: the conversation; its last turn is the user's.
            write: gets each part of the text as soon as its words are complete.
            temperature: 0 chooses the likeliest token.
            top_p: probability mass that is sampled from.
            max_tokens: longest reply; a shorter rest of the context is the limit.

        Raises:
            InputError: the conversation fills the context.
        """
        (prompt,) = tokenize_prompts(self.tokenizer, [messages])
        room = min(max_tokens, self.context_tokens - len(prompt))
        if room < 1:
            raise InputError(
                "the conversation is too long for the model",
                expected=f"fewer than {self.context_tokens} tokens, its context",
                found=f"{len(prompt)} tokens",
                remedy="start a new conversation",
            )
        sampling = {"temperature": temperature, "top_p": top_p, "top_k": 0} if temperature else {}
        config = GenerationConfig(
            do_sample=temperature > 0,
            repetition_penalty=1.0,  # else the one of the model's own generation_config.json
            max_new_tokens=room,
            eos_token_id=self.stops,
            pad_token_id=self.stops[0],
            suppress_tokens=self.unknown or None,
            **sampling,
        )
        token_ids = torch.tensor([prompt], device=self.model.device)
        streamer = _Streamer(self.tokenizer, write)
        try:
            made = self.model.generate(
                token_ids,
                attention_mask=torch.ones_like(token_ids),
                generation_config=config,
                streamer=streamer,
            )
        except KeyboardInterrupt:
            return Reply(streamer.text, "interrupted")
        ended = made[0, -1].item() in self.stops
        return Reply(streamer.text, "stop" if ended else "length")


def seed_sampling(seed: int | None) -> None:
    """Set the seed of the replies that follow; None: a new one."""
    if seed is not None:
        torch.manual_seed(seed)


class _Streamer(TextStreamer):
    """Gives the parts of a reply to a function, without the prompt and without special tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, write: Write) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.write, self.text = write, ""

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self.text += text
            self.write(text)
