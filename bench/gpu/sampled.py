"""Sampled responses against the distribution that they should come from.

Lives here: log-probabilities of vLLM's tokens under the policy in transformers, float32, on a CPU.
Not here: sampling (`bench.gpu.stages`).
"""

import math
from pathlib import Path

import polars as pl


def check_sampled(folder: Path) -> dict[str, list[float]]:
    """Hold vLLM's responses against the policy's float32 distribution; both should be 0.

    `greedy_gap`: how much less likely a greedy token is than the likeliest, nats, one a response
    (its worst token). `surprise`: mean of log p(token) + entropy over the sampled tokens, nats: it
    is 0 in expectation if, and only if roughly, tokens come from p: another temperature, a cut
    tail or another prompt move it. Responses that do not tokenize back to as many tokens as were
    sampled (a special token among them) are left out; so are these tokens from p.
    """
    greedy = _token_logps(pl.read_parquet(folder / "greedy.parquet"), folder / "initial")
    sampled = _token_logps(pl.read_parquet(folder / "sampled.parquet"), folder / "initial")
    surprises = [surprise for row in sampled for _, surprise in row]
    return {
        "greedy_gap": [max(gap for gap, _ in row) for row in greedy],
        "surprise": [sum(surprises) / len(surprises)],
    }


def _token_logps(rows: pl.DataFrame, model: Path) -> list[list[tuple[float, float]]]:
    """Gap to the likeliest token and log p + entropy of every token, a list per usable response."""
    import torch
    from transformers import AutoModelForCausalLM

    from training.models.rendering import find_end_of_turn, load_tokenizer, tokenize_prompts

    tokenizer = load_tokenizer(model)
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    stop = find_end_of_turn(tokenizer, model)
    special = [token for token in tokenizer.all_special_ids if token != stop]
    usable = []
    for row in rows.iter_rows(named=True):
        (prompt,) = tokenize_prompts(tokenizer, [row["prompt"]])
        answer = tokenizer(row["response"], add_special_tokens=False)["input_ids"]
        answer += [stop] if row["finish_reason"] == "stop" else []
        if len(answer) != row["response_tokens"]:
            continue
        with torch.no_grad():
            logits = policy(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        logits[:, special] = -math.inf
        logps = logits.log_softmax(-1)
        entropy = torch.special.entr(logps.exp()).sum(-1)
        chosen = logps.gather(-1, torch.tensor(answer)[:, None])[:, 0]
        gaps = logps.max(-1).values - chosen
        usable.append(list(zip(gaps.tolist(), (chosen + entropy).tolist(), strict=True)))
    if len(usable) * 4 < rows.height:
        raise ValueError(f"only {len(usable)} of {rows.height} responses tokenize back")
    return usable
