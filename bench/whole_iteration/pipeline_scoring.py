"""The public way, step 2: a reward per text by transformers' pipeline; best against worst.

    python pipeline_scoring.py FOLDER

Reads settings.json and responses.json of the folder, writes rewards.json and pairs.json.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, pipeline


def main(folder: Path) -> None:
    """Score the responses prompt by prompt, one text at a time, and pair best with worst."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    rows = json.loads((folder / "responses.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(settings["reward_model"])
    classify = pipeline(
        "text-classification",
        model=settings["reward_model"],
        tokenizer=tokenizer,
        device="cpu",
        dtype=getattr(torch, settings["dtype"]),
    )
    every, pairs = [], []
    for row in rows:
        prompt = [{"role": "user", "content": row["prompt"]}]
        texts = [
            tokenizer.apply_chat_template(
                [*prompt, {"role": "assistant", "content": response}], tokenize=False
            )
            for response in row["responses"]
        ]
        outputs = classify(
            texts, top_k=None, function_to_apply="none", batch_size=1, truncation=True
        )
        rewards = [output[0]["score"] for output in outputs]
        every.append(rewards)
        best, worst = (row["responses"][rewards.index(f(rewards))] for f in (max, min))
        if best != worst:
            pairs.append(
                {
                    "prompt": prompt,
                    "chosen": [{"role": "assistant", "content": best}],
                    "rejected": [{"role": "assistant", "content": worst}],
                }
            )
    (folder / "rewards.json").write_text(json.dumps(every), encoding="utf-8")
    (folder / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
