"""This project's iteration: the stages in one process, with every commit to Delta.

    python stages.py FOLDER

Reads settings.json and prompts.json of the folder; writes the lake, and rewards.json, pairs.json,
losses.json and seconds.json as the public way does. With responses.json in the folder, these are
committed and nothing is sampled: the check that both ways compute the same.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from assets.loop.pairing import write_pairs
from training.generation import generate
from training.models.checkpoint import hash_checkpoint
from training.models.rendering import load_tokenizer
from training.reference_logps import add_reference_logps
from training.runs.launch import launch
from training.runs.processes import free_stage_memory
from training.scoring import score
from training.settings.objectives import DPOSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from transforms.identity import identify_messages
from transforms.lake.chunks import Chunks
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.pairs import responses
from transforms.pairs.sampler_places import Draw
from transforms.settings.commits import DEFAULT_COMMITS
from transforms.settings.pairs import PairSettings

SLICE: dict[str, str | int] = {"experiment": "iterative", "iteration": 1}
RANKER = {"ranker": "reward_model", "ranker_id": "reward_model", "ranking_id": "reward_model"}


class Iteration:
    """One iteration in a folder: its settings, its lake, and the seconds of its stages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lake = folder, Lake(folder / "lake")
        self.settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.model = Path(self.settings["model"])
        self.dtype, self.seed = self.settings["dtype"], self.settings["seed"]
        self.sampling = SamplingSettings(
            max_tokens=self.settings["max_response_tokens"],
            **{
                name: self.settings[name]
                for name in ("n", "temperature", "top_p", "max_context_tokens", "max_sequences")
            },
        )
        self.seconds: dict[str, float] = {}
        texts = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
        frame = pl.DataFrame({"prompt": [[{"role": "user", "content": text}] for text in texts]})
        self.prompts = frame.select(identify_messages("prompt").alias("prompt_id"), "prompt")
        lengths = pl.Series([len(text) for text in texts], dtype=pl.Int64)
        self.lake.append(
            "prompts",
            self.prompts.with_columns(
                source=pl.lit("bench"), prompt_chars=lengths, reference=pl.lit(None, pl.String)
            ),
        )

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Measure the seconds of a stage."""
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 2)
        free_stage_memory()

    def sample(self) -> None:
        """Sample n responses per prompt into the table `generations`."""
        keys = self._make_keys()
        with Chunks(self.lake, "generations", DEFAULT_COMMITS) as commit:
            generate(
                self.prompts, self.model, self.sampling, seed=self.seed, dtype=self.dtype,
                commit=lambda rows: commit(keys.add_to(rows)),
            )  # fmt: skip

    def adopt(self, rows: list[dict[str, Any]]) -> None:
        """Commit given responses to the table `generations`."""
        tokenizer, keys = load_tokenizer(self.model), self._make_keys()
        texts = [text for row in rows for text in row["responses"]]
        tokens = [len(ids) for ids in tokenizer(texts)["input_ids"]]
        frame = pl.DataFrame(
            {
                "prompt_id": self.prompts["prompt_id"].repeat_by(self.sampling.n).explode(),
                "response_index": [*range(self.sampling.n)] * len(rows),
                "response": texts,
                "response_tokens": tokens,
                "response_chars": [len(text) for text in texts],
            },
            schema_overrides=dict.fromkeys(
                ("response_index", "response_tokens", "response_chars"), pl.Int32
            ),
        )
        given = frame.with_columns(
            finish_reason=pl.lit("stop"),
            temperature=pl.lit(self.sampling.temperature),
            top_p=pl.lit(self.sampling.top_p),
            max_tokens=pl.lit(self.sampling.max_tokens, pl.Int32),
            seed=pl.lit(self.seed, pl.Int64),
        )
        self.lake.append("generations", keys.add_to(given))

    def score(self) -> None:
        """Score every response into the table `scores`."""
        rows = responses.read_with_prompts(self.lake, **SLICE)
        with Chunks(self.lake, "scores", DEFAULT_COMMITS) as commit:
            score(
                rows, Path(self.settings["reward_model"]), ScoringSettings(), dtype=self.dtype,
                commit=lambda found: commit(
                    add_keys(responses.add_origin(found, rows), **RANKER, **SLICE)
                ),
            )  # fmt: skip

    def train(self) -> list[float]:
        """Store the log-probabilities of the reference, train, record the policy; return losses."""
        settings = DPOSettings(
            warmup_ratio=0.0, logging_steps=1,
            **{name: self.settings[name] for name in (
                "learning_rate", "beta", "epochs", "batch_size", "micro_batch_size", "max_tokens"
            )},
        )  # fmt: skip
        pairs = responses.read_pairs_between(
            self.lake, experiment="iterative", iteration=1, first_iteration=1
        )
        store = ReferenceLogps(
            self.lake, "initial_model", settings.name_reference_type(self.dtype), DEFAULT_COMMITS
        )
        with self.clock("reference"), store.append_chunks() as commit:
            done = add_reference_logps(
                pairs, self.model, self.model, settings, dtype=self.dtype, seed=self.seed,
                known=store.read_known, commit=commit,
            )  # fmt: skip
        row = {**SLICE, "asset": "iteration_1/policy", "settings": "{}", "inputs": "{}"}
        with self.clock("training"):
            policy = checkpoints.workspace(self.lake, row["asset"], row["experiment"])
            run = launch(
                "dpo", done.pairs, policy, settings, seed=self.seed, dtype=self.dtype,
                start=self.model,
            )  # fmt: skip
            slice_ = {"asset": row["asset"], "experiment": row["experiment"]}
            metrics = add_keys(run.metrics, iteration=1, **slice_)
            self.lake.overwrite("training_metrics", metrics, **slice_)
            checkpoints.record(
                self.lake, policy, **row, checkpoint_id=hash_checkpoint(policy), kind="causal_lm",
                parent_id="initial_model", reference_id="initial_model",
                environment=json.dumps(run.environment, sort_keys=True),
            )  # fmt: skip
        return run.metrics.filter(metric="loss").sort("step")["value"].to_list()

    def _make_keys(self) -> responses.Keys:
        sampling = self.sampling
        return responses.Keys(
            **SLICE,
            policy_id="initial_model",
            sampling_id=responses.make_sampling_id(sampling.model_dump(), self.seed),
            draws=[Draw(0, "current", 0, sampling.n, sampling.temperature, sampling.top_p)],
            n=sampling.n,
        )

    def write(self, name: str, value: object) -> None:
        """Write a JSON file of the folder."""
        (self.folder / name).write_text(json.dumps(value), encoding="utf-8")


def main(folder: Path) -> None:
    """Run an iteration."""
    one = Iteration(folder)
    given = folder / "responses.json"
    with one.clock("sampling"):
        if given.is_file():
            one.adopt(json.loads(given.read_text(encoding="utf-8")))
        else:
            one.sample()
    with one.clock("scoring"):
        one.score()
    with one.clock("pairs"):
        made = write_pairs(one.lake, PairSettings(), SLICE, SLICE)
    losses = one.train()
    order = one.prompts.select("prompt_id").with_row_index("place")
    scored = responses.read_with_rewards(one.lake, **SLICE).join(order, on="prompt_id")
    rewards = scored.sort("place", "response_index").group_by("place", maintain_order=True)
    one.write("rewards.json", [group["reward"].to_list() for _, group in rewards])
    one.write(
        "pairs.json",
        made.pairs.join(order, on="prompt_id").sort("place")
        .select("prompt", "chosen", "rejected").to_dicts(),
    )  # fmt: skip
    one.write("losses.json", losses)
    one.write("seconds.json", one.seconds)
    one.write("sampled.json", {"response_tokens": int(scored["response_tokens"].sum())})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
