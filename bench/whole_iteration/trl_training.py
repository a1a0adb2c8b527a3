"""The public way, step 3: TRL's DPOTrainer with the reference in memory.

    python trl_training.py FOLDER

Reads settings.json and pairs.json of the folder, writes losses.json and the model `policy`.
"""

import json
import sys
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer


def main(folder: Path) -> None:
    """Train the model on the pairs; without `ref_model`, the reference is a copy of the start."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    # Rendered here, because of a conversation TRL also trains on what the template writes after
    # the end of the turn, a line break. TRL adds the token that ends a text.
    rendered = [
        {
            "prompt": tokenizer.apply_chat_template(
                pair["prompt"], add_generation_prompt=True, tokenize=False
            ),
            "chosen": pair["chosen"][0]["content"],
            "rejected": pair["rejected"][0]["content"],
        }
        for pair in pairs
    ]
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32),
        args=DPOConfig(
            output_dir=str(folder / "trainer"),
            beta=settings["beta"],
            learning_rate=settings["learning_rate"],
            lr_scheduler_type="cosine",
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["micro_batch_size"],
            gradient_accumulation_steps=settings["batch_size"] // settings["micro_batch_size"],
            gradient_checkpointing=False,
            max_length=settings["max_tokens"],
            bf16=settings["dtype"] == "bfloat16",
            use_cpu=True,
            seed=settings["seed"],
            logging_steps=1,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_list(rendered),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.save_model(str(folder / "policy"))
    losses = [logs["loss"] for logs in trainer.state.log_history if "loss" in logs]
    (folder / "losses.json").write_text(json.dumps(losses), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
