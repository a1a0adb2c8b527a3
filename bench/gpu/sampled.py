"""Check of vLLM's responses: log-probabilities of their tokens in transformers, float32, on a CPU.

Not here: sampling (`bench.gpu.stages`).
"""

import math
from pathlib import Path

import polars as pl


def check_sampled(folder: Path) -> dict[str, list[float]]:
    """Compare vLLM's responses with the policy's float32 distribution; both quantities should be 0.

    `greedy_gap`, one per response: the largest difference of log-probability between the likeliest
    token and the greedy token, nats. `surprise`: mean of log p(token) + entropy over the sampled
    tokens, nats. Its expectation is 0 if tokens come from p; another temperature, a cut tail or
    another prompt changes it. Responses that do not tokenize back to the sampled number of tokens
    (for example because of a special token) are excluded, and p excludes special tokens.
    """
    greedy = _compute_token_logps(pl.read_parquet(folder / "greedy.parquet"), folder / "initial")
    sampled = _compute_token_logps(pl.read_parquet(folder / "sampled.parquet"), folder / "initial")
    surprises = [surprise for row in sampled for _, surprise in row]
    return {
        "greedy_gap": [max(gap for gap, _ in row) for row in greedy],
        "surprise": [sum(surprises) / len(surprises)],
    }


def _compute_token_logps(rows: pl.DataFrame, model: Path) -> list[list[tuple[float, float]]]:
    """Compute gap to the likeliest token and log p + entropy per token; a list per usable row."""
    import torch
    from transformers import AutoModelForCausalLM

    from training.models.end_of_turn import find_end_of_turn
    from training.models.rendering import load_tokenizer, tokenize_prompts

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
