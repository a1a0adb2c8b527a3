"""The public way, step 1: vLLM samples all prompts; texts go to a JSON file.

    python vllm_sampling.py FOLDER

Reads settings.json and prompts.json of the folder, writes responses.json.
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def main(folder: Path) -> None:
    """Sample n responses per prompt."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    prompts = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    llm = LLM(
        settings["model"],
        dtype=settings["dtype"],
        max_model_len=settings["max_context_tokens"],
        max_num_seqs=settings["max_sequences"],
        seed=settings["seed"],
        enforce_eager=True,
        distributed_executor_backend="uni",
    )
    outputs = llm.chat(
        [[{"role": "user", "content": prompt}] for prompt in prompts],
        SamplingParams(
            n=settings["n"],
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            max_tokens=settings["max_response_tokens"],
        ),
    )
    rows = [
        {"prompt": prompt, "responses": [one.text for one in output.outputs]}
        for prompt, output in zip(prompts, outputs, strict=True)
    ]
    (folder / "responses.json").write_text(json.dumps(rows), encoding="utf-8")
    tokens = sum(len(one.token_ids) for output in outputs for one in output.outputs)
    (folder / "sampled.json").write_text(json.dumps({"response_tokens": tokens}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
