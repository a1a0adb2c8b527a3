"""Workers of the GPU check: one process per stage and device, with measurement of GPU memory.

Not here: what a worker measures (`bench.gpu.stages`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.gpu.cases import Case
from bench.gpu.sampled import check_sampled
from bench.gpu.stages import STAGES
from training.runs.command_line.run import run_command

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
POLL_S = 0.05
"""Seconds between two measurements of the device's memory."""
END_S = 45.0
"""Longest wait, in seconds, for a late worker to end its replicas and launched processes."""


def work(stage: str, device: str, case: Case, folder: Path, dtypes: Sequence[str]) -> None:
    """Measure in this process and write `<stage>-<device>.json`: values and figures by dtype."""
    result: dict[str, Any] = {"values": {}, "figures": {}}
    measure = STAGES[stage].measure if device == "gpu" else STAGES[stage].reference
    for dtype in dtypes:
        if measure is None:
            values, figures = check_sampled(folder), {}
        else:
            values, figures = measure(case, folder, dtype)
        result["values"][dtype], result["figures"][dtype] = values, figures
    if device == "gpu":
        result["device_used_mib"] = _device_used_mib()
    (folder / f"{stage}-{device}.json").write_text(json.dumps(result))


def _device_used_mib() -> float:
    import torch

    free, total = torch.cuda.mem_get_info(0)
    return (total - free) / MIB


def run_worker(
    stage: str, device: str, case: Case, folder: Path, dtypes: Sequence[str], timeout_s: float
) -> dict[str, Any]:
    """Run `work` in a new process and measure the GPU's memory meanwhile.

    Returns:
        The results of `work`, with elapsed_s and, on a GPU, peak_mib, left_mib and after_exit_mib,
        in addition to the memory that was in use before.

    Raises:
        RuntimeError: the worker failed or took too long; the message ends with its output.
    """
    options = {"stage": stage, "device": device, "case": json.dumps(asdict(case))}
    options |= {"folder": str(folder), "dtypes": ",".join(dtypes)}
    command = [sys.executable, "-m", "bench.gpu.workers"]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    used = _device_used_mib if device == "gpu" else lambda: 0.0
    before = peak = used()
    started, log = time.perf_counter(), folder / f"{stage}-{device}.log"
    with log.open("w") as stream:
        # Its own session, so that an engine's processes can be ended with it.
        worker = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
        while worker.poll() is None and time.perf_counter() - started < timeout_s:
            peak = max(peak, used())
            time.sleep(POLL_S)
    elapsed_s = time.perf_counter() - started
    late = worker.poll() is None
    if late:
        # Only the worker can end its children, which have their own sessions.
        worker.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(END_S)
    if late or worker.returncode:
        _end_session(worker.pid)
        worker.wait()
        why = f"took more than {timeout_s:g} s" if late else f"exit status {worker.returncode}"
        raise RuntimeError(f"{stage} on {device}: {why}\n{log.read_text()[-6000:]}")
    result = json.loads((folder / f"{stage}-{device}.json").read_text())
    result["elapsed_s"] = elapsed_s
    if device == "gpu":
        time.sleep(1.0)  # the driver needs a moment to free the memory of an ended process
        result |= {"peak_mib": peak - before, "after_exit_mib": used() - before}
        result["left_mib"] = result.pop("device_used_mib") - before
        _end_session(worker.pid)
    return result


def _end_session(leader: int) -> None:
    """End processes that a worker did not end; usually there are none."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def main(
    stage: Annotated[str, typer.Option()],
    device: Annotated[str, typer.Option(help="gpu or cpu.")],
    case: Annotated[str, typer.Option(help="JSON of a Case.")],
    folder: Annotated[
        Path, typer.Option(help="Folder of models and rows; the result is written there.")
    ],
    dtypes: Annotated[str, typer.Option(help="Comma-separated.")],
) -> None:
    """Measure one stage on one device, in this process."""
    work(stage, device, Case(**json.loads(case)), folder, dtypes.split(","))


if __name__ == "__main__":
    run_command(main)
