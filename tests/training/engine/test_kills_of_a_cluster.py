"""1,024 prompts x 8 responses on a Ray cluster of two nodes: driver, engine and node are killed."""

import json
import os
import signal
import subprocess
import sys
import time

import polars as pl
import psutil
import pytest

pytestmark = pytest.mark.slow

MODULE = "training.generation"
PROMPTS, RESPONSES = 1024, 8


def wait_for_chunks(folder, count: int, driver: subprocess.Popen) -> int:
    """Wait until a folder has a number of chunks; return its number."""
    while (found := len([*folder.glob("chunk-*.parquet")])) < count:
        assert driver.poll() is None, "the driver has ended too early"
        time.sleep(0.05)
    return found


def find_engines(driver: int) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[1:3] == ["-m", MODULE] and process.pid != driver
    ]


def test_kills_of_driver_engine_and_node_cost_no_response(
    ray_nodes, tiny_policy, preference_pairs, tmp_path
):
    one = preference_pairs.select("prompt").head(1)
    prompts = pl.DataFrame({"prompt_id": [f"prompt-{i:04}" for i in range(PROMPTS)]}).join(
        one, how="cross"
    )
    prompts.write_parquet(tmp_path / "prompts.parquet")
    settings = {
        "n": RESPONSES, "max_tokens": 16, "max_context_tokens": 64, "chunk_prompts": 16,
        "max_sequences": 64,
    }  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    output = tmp_path / "responses"
    command = [
        sys.executable, "-m", MODULE, "--policy", str(tiny_policy), "--output", str(output),
        "--prompts", str(tmp_path / "prompts.parquet"), "--dtype", "float32",
        "--settings", str(tmp_path / "settings.json"),
        "--devices", json.dumps({"replicas": 2, "cluster": "ray"}),
    ]  # fmt: skip

    with subprocess.Popen(command) as driver:
        wait_for_chunks(output, 8, driver)
        driver.kill()
    while find_engines(driver.pid):  # they end with their driver
        time.sleep(0.5)
    with subprocess.Popen(command) as driver:
        found = wait_for_chunks(output, 12, driver)
        os.kill(find_engines(driver.pid)[0], signal.SIGKILL)
        wait_for_chunks(output, found + 8, driver)
        raylet = psutil.Process(ray_nodes[1].all_processes["raylet"][0].process.pid)
        for process in [raylet, *raylet.children(recursive=True)]:
            process.kill()
    assert driver.returncode == 0

    rows = pl.concat([pl.read_parquet(file) for file in output.glob("chunk-*.parquet")])
    indices = pl.DataFrame({"response_index": pl.Series(range(RESPONSES), dtype=pl.Int32)})
    keys = prompts.select("prompt_id").join(indices, how="cross")
    key = ["prompt_id", "response_index"]
    assert rows.select(key).sort(key).equals(keys.sort(key))
