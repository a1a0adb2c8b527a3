"""A local judge in several processes: replicas of its model, each with its own engine and GPUs.

A replica keeps its engine for the whole run. It reads requests from a folder and writes answers to
another one. Not here: the engine and the judge in it (`training.judging.local_judge`), starting
processes (`training.engine.replicas`).
"""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from training.engine.replica_processes import POLL_S, ReplicaProcesses
from training.engine.replicas import KINDS, build_command
from training.judging.local_judge import (
    check_judge_folder,
    find_judge_folder,
    open_local_judge,
)
from training.judging.rubrics import Answer, Conversation, Judge
from training.runs.command_line.options import DtypeOption, SettingsOption, read_settings
from training.runs.command_line.run import run_command
from training.settings.judge import JudgeSettings
from training.settings.model import ONE_PROCESS
from transforms.identity import digest

WRITE_S = 1.0
"""Seconds between two files of answers of a replica."""


@contextmanager
def open_judge_processes(
    settings: JudgeSettings, *, dtype: str, top_logprobs: int = 0
) -> Iterator["JudgeProcesses"]:
    """Start the replicas of the judge's settings; leaving the block ends them.

    Raises:
        InputError: as in `open_local_judge`, or there are too few GPUs, or no cluster. Nothing has
            started then.
    """
    devices = settings.devices or ONE_PROCESS
    kind = KINDS[devices.cluster]
    kind.require(devices)
    folder = find_judge_folder(cast(str, settings.path), settings.revision)
    check_judge_folder(folder, settings)
    one = devices.of_one_replica
    with tempfile.TemporaryDirectory(prefix="judge-") as name:
        work = Path(name)
        alone = settings.model_copy(update={"path": str(folder), "revision": None, "devices": one})
        (work / "settings.json").write_text(alone.model_dump_json(), encoding="utf-8")
        commands = {}
        for index in range(devices.replicas):
            options = {"requests": work / f"{index}-requests", "answers": work / f"{index}-answers"}
            options["requests"].mkdir()
            commands[index] = build_command(
                "training.judging.judge_processes",
                {
                    **options,
                    "settings": work / "settings.json",
                    "dtype": dtype,
                    "top_logprobs": top_logprobs,
                },
            )
        with kind(work, commands, devices) as processes:
            yield JudgeProcesses(settings, work, processes, devices.replicas)


class JudgeProcesses:
    """A judge whose requests are divided among started replicas by a hash."""

    def __init__(
        self, settings: JudgeSettings, work: Path, processes: ReplicaProcesses, replicas: int
    ) -> None:
        """Use started processes and the folder that has their folders."""
        self.settings, self._work, self._processes = settings, work, processes
        self._replicas, self._calls = replicas, 0

    def answer_requests(
        self, conversations: Iterable[Conversation]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number and the answer of every request, in order of completion.

        Raises:
            InputError: a replica refuses the model or a setting.
            RuntimeError: a replica failed; the message shows the end of its output.
        """
        self._calls += 1
        call = f"{self._calls:06}"
        missing = set(range(self._write_requests(call, conversations)))
        while missing:
            running = self._processes.are_running()
            for file in sorted(self._work.glob(f"*-answers/{call}-*.jsonl")):
                for line in file.read_text(encoding="utf-8").splitlines():
                    number, answer = json.loads(line)
                    if number in missing:  # a replica that was started again repeats answers
                        missing.remove(number)
                        yield number, Answer(**answer)
                file.unlink()
            self._processes.raise_failure()
            self._processes.raise_refusal()
            if missing and not running:
                raise RuntimeError(f"the replicas of the judge ended before {len(missing)} answers")
            time.sleep(POLL_S if missing else 0)
        for file in self._work.glob(f"*-requests/{call}.jsonl"):
            file.unlink(missing_ok=True)

    def _write_requests(self, call: str, conversations: Iterable[Conversation]) -> int:
        """Write a file of requests per replica; return the number of requests."""
        count = 0
        with ExitStack() as stack:
            partial = [
                self._work / f"{index}-requests" / f"{call}.partial"
                for index in range(self._replicas)
            ]
            files = [stack.enter_context(path.open("w", encoding="utf-8")) for path in partial]
            for count, conversation in enumerate(conversations, start=1):
                text = json.dumps(conversation)
                replica = int(digest(text)[:8], 16) % self._replicas
                files[replica].write(f"[{count - 1}, {text}]\n")
        for path in partial:
            path.rename(path.with_suffix(".jsonl"))
        return count


def answer_file(judge: Judge, requests: Path, answers: Path) -> None:
    """Answer the requests of a file; write the answers to a folder, a file about every `WRITE_S`.

    Args:
        judge: the opened judge.
        requests: lines of JSON: number, conversation.
        answers: folder of files with lines of JSON: number, answer. Their names begin with that of
            the file of requests.
    """
    lines = requests.read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    ready: list[str] = []
    written, parts = time.monotonic(), 0

    def write() -> None:
        nonlocal written, parts
        file = answers / f"{requests.stem}-{parts:06}.partial"
        file.write_text("".join(ready), encoding="utf-8")
        file.rename(file.with_suffix(".jsonl"))
        ready.clear()
        written, parts = time.monotonic(), parts + 1

    for number, answer in judge.answer_requests(conversation for _, conversation in asked):
        ready.append(json.dumps([asked[number][0], asdict(answer)]) + "\n")
        if time.monotonic() - written > WRITE_S:
            write()
    if ready:
        write()


def main(
    requests: Annotated[Path, typer.Option(help="Folder of files with requests.")],
    answers: Annotated[Path, typer.Option(help="Folder for files with answers.")],
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
    top_logprobs: Annotated[int, typer.Option(help="Likeliest first tokens to return.")] = 0,
) -> None:
    """Answer requests until the process that has started this one ends it."""
    settings = read_settings(JudgeSettings, settings_file)
    answers.mkdir(exist_ok=True)
    with open_local_judge(settings, dtype=dtype, top_logprobs=top_logprobs) as judge:
        while True:
            for file in sorted(requests.glob("*.jsonl")):
                answer_file(judge, file, answers)
                file.unlink(missing_ok=True)
            time.sleep(POLL_S)


if __name__ == "__main__":
    run_command(main)
