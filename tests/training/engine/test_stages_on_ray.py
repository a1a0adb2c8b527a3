"""Stages on a Ray cluster of two nodes: sampling with vLLM and a local judge, killed once."""

import json
import os
import shutil
import signal

import polars as pl
import psutil
import pytest

from training.generation import generate
from training.judging.judge import open_judge
from training.settings.judge import JudgeSettings
from training.settings.model import DeviceSettings
from training.settings.sampling import SamplingSettings

pytestmark = pytest.mark.slow

TWO = DeviceSettings(replicas=2, cluster="ray")


def kill_one(module: str) -> None:
    """Kill the process of a stage, not its guard."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[1:3] == ["-m", module]:
            os.kill(process.pid, signal.SIGKILL)
            return
    raise AssertionError(f"no process of {module}")


def test_a_killed_engine_costs_no_response(ray_nodes, tiny_policy, preference_pairs):
    number = pl.Series("number", range(4))
    prompts = preference_pairs.join(number.to_frame(), how="cross").select(
        pl.format("{}-{}", "prompt_id", "number").alias("prompt_id"), "prompt"
    )
    chunks: list[pl.DataFrame] = []

    def commit(chunk: pl.DataFrame) -> None:
        chunks.append(chunk)
        if len(chunks) == 1:
            kill_one("training.generation")

    settings = SamplingSettings(
        n=4, max_tokens=16, max_context_tokens=64, chunk_prompts=2, max_sequences=8
    )
    generate(prompts, tiny_policy, settings, seed=1, dtype="float32", commit=commit, devices=TWO)
    rows = pl.concat(chunks)
    keys = prompts.select("prompt_id").join(
        pl.DataFrame({"response_index": range(4)}, schema={"response_index": pl.Int32}), how="cross"
    )
    key = ["prompt_id", "response_index"]
    assert rows.select(key).sort(key).equals(keys.sort(key))


def test_a_policy_that_cannot_be_loaded_stops_the_stage(
    ray_nodes, tiny_policy, preference_pairs, tmp_path
):
    broken = shutil.copytree(tiny_policy, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text())
    wider = config | {"intermediate_size": 2 * config["intermediate_size"]}
    (broken / "config.json").write_text(json.dumps(wider))
    settings = SamplingSettings(n=1, max_tokens=8, max_context_tokens=64)
    prompts = preference_pairs.select("prompt_id", "prompt")
    with pytest.raises(RuntimeError, match=r"(?s)replica \d on the cluster ended with status 1:"):
        generate(
            prompts, broken, settings, seed=1, dtype="float32", commit=pytest.fail, devices=TWO
        )


def test_a_killed_judge_answers_every_request_once(ray_nodes, judge_model):
    settings = JudgeSettings(
        path=str(judge_model), devices=TWO, max_tokens=4, max_context_tokens=1024
    )
    asked = [[{"role": "user", "content": f"which answer {'it ' * number}"}] for number in range(8)]
    with open_judge(settings, dtype="float32") as opened:
        first = sorted(number for number, _ in opened.answer_requests(iter(asked)))
        kill_one("training.judging.judge_processes")
        second = sorted(number for number, _ in opened.answer_requests(iter(asked)))
    assert first == second == list(range(8))
