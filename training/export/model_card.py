"""The model card of an exported model: `README.md`, as Hugging Face's hub shows it.

Not here: the folder (`training.export.model_folder`), the record
(`transforms.views.lineage.model_record`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""Id of a model on the hub: owner and name."""

POLICY = """\
Load it in transformers; `generate` stops at the end of the turn:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
```

Serve it with vLLM: `vllm serve .`
"""

REWARD = """\
Load it in transformers; the reward is the one logit of a conversation that the chat template
rendered:

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForSequenceClassification.from_pretrained(".")
```
"""

GGUF = "\nTalk with it in llama.cpp: `llama-cli -m model.gguf`\n"


def write_card(folder: Path, record: Mapping[str, Any], *, gguf: bool) -> None:
    """Write the card of a model into its folder.

    Args:
        folder: the exported folder.
        record: the record of the model (`transforms.views.lineage.model_record`), and dtype.
        gguf: whether the folder contains `model.gguf`.
    """
    is_policy = record["kind"] == "causal_lm"
    base = str(record["base_model"])
    facts = ("base_model", "study", "experiment", "iteration", "asset", "checkpoint_id", "dtype")
    lines = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {'text-generation' if is_policy else 'text-classification'}",
        *([f"base_model: {base}"] if HUB_ID.fullmatch(base) else []),
        "tags: [prefloop]",
        "---",
        f"# {record['asset']}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {record[name]} |" for name in facts),
        "",
        "Made by prefloop; `prefloop.json` has the settings and inputs of every step.",
        "",
        POLICY if is_policy else REWARD,
    ]
    text = "\n".join(lines) + (GGUF if gguf else "")
    (folder / "README.md").write_text(text, encoding="utf-8")
