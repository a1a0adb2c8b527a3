"""Every stage on an NVIDIA GPU, against the same stage on the CPU in float32.

Lives here: small models and rows, one worker process a stage and device, the comparison, the table.
Not here: the stages (`training`). What is compared, and how to run it without a package index:
docs/gpu.md. Imports nothing heavy at its top, so that a stage whose library is missing or broken
fails alone. The last line is JSON; the exit status is 1 if a stage failed, 0 without a GPU.

    python bench/gpu_check.py
    python bench/gpu_check.py --stages dpo,generation --hidden 2048 --layers 16
"""

import importlib.metadata
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # a machine without an index has no installed package

import polars as pl  # noqa: E402

from training.settings import (  # noqa: E402
    DPOSettings,
    RewardModelSettings,
    SamplingSettings,
    ScoringSettings,
    SFTSettings,
    TinyModelSettings,
)

MIB = 1 << 20
LEFT_MIB = 2048
"""Most device memory, MiB, in use after a stage's call; the process's own context is about 600."""
AFTER_EXIT_MIB = 256
"""Most device memory, MiB, in use when a stage's process has ended; else one was left behind."""
POLL_S = 0.05
"""Seconds between two readings of the device's memory."""

TOLERANCES: dict[str, dict[str, float]] = {
    # Largest absolute difference from the CPU's float32. float32: another order of summation.
    # bfloat16: 8 bits of mantissa; measured on a CPU (docs/gpu.md) and taken three times.
    "loss": {"float32": 1e-3, "bfloat16": 0.015},
    "margin": {"float32": 5e-3, "bfloat16": 0.04},
    "mean_reward": {"float32": 5e-3, "bfloat16": 0.04},
    "rewards/margins": {"float32": 2e-3, "bfloat16": 0.02},
    "logps/chosen": {"float32": 0.01, "bfloat16": 0.1},
    "reward": {"float32": 1e-3, "bfloat16": 0.25},
    "logp": {"float32": 0.01, "bfloat16": 0.4},
    "greedy_gap": {"bfloat16": 0.17},
    "surprise": {"bfloat16": 0.08},
}
"""By quantity and dtype; units in docs/gpu.md."""


@dataclass(frozen=True)
class Case:
    """One size of models and rows; lengths are words, and a word is a token."""

    hidden: int
    layers: int
    vocabulary: int
    initializer_range: float
    prompt_words: int
    response_words: int
    rows: int
    steps: int
    micro_batch: int
    n: int

    @property
    def context_tokens(self) -> int:
        """Prompt, response, and 16 for special tokens."""
        return self.prompt_words + self.response_words + 16

    def words(self) -> list[str]:
        """The vocabulary."""
        return [f"w{number}" for number in range(self.vocabulary)]


SMALL = Case(
    hidden=128,
    layers=2,
    vocabulary=512,
    initializer_range=0.1,
    prompt_words=24,
    response_words=16,
    rows=64,
    steps=6,
    micro_batch=4,
    n=4,
)
"""What is compared; heads of 64, which FlashAttention takes."""


def large_case(hidden: int, layers: int) -> Case:
    """Size what is only timed: prompts of 64 tokens, responses of up to 448, as in a real loop."""
    return Case(
        hidden=hidden,
        layers=layers,
        vocabulary=32_000,
        initializer_range=0.02,
        prompt_words=64,
        response_words=448,
        rows=256,
        steps=10,
        micro_batch=8,
        n=8,
    )


@dataclass(frozen=True)
class Difference:
    """One comparison: the largest absolute difference of a quantity from the CPU's float32."""

    quantity: str
    dtype: str
    difference: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether it is tolerated; a difference that is no number is not."""
        return self.difference <= self.tolerance


def compare(
    dtype: str, measured: dict[str, list[float]], reference: dict[str, list[float]]
) -> list[Difference]:
    """Compare what two devices computed, quantity by quantity.

    Raises:
        ValueError: a quantity is missing, empty, or has another number of values.
    """
    sizes = [{name: len(values) for name, values in side.items()} for side in (measured, reference)]
    if sizes[0] != sizes[1] or not all(sizes[0].values()) or not sizes[0]:
        raise ValueError(f"nothing to compare one to one: {sizes[0]} values against {sizes[1]}")
    return [
        Difference(
            name,
            dtype,
            max(
                abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
                for a, b in zip(values, reference[name], strict=True)
            ),
            TOLERANCES[name][dtype],
        )
        for name, values in measured.items()
    ]


# Models and rows: the same files for every device.


def prepare(case: Case, folder: Path) -> None:
    """Write `initial`, `start` (initial, disturbed), `reward` and the rows of every stage."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from training.initial_model import make_tiny_model

    shape = TinyModelSettings(
        vocab_size=case.vocabulary + 16,
        hidden_size=case.hidden,
        intermediate_size=4 * case.hidden,
        layers=case.layers,
        heads=case.hidden // 64,
        context_tokens=case.context_tokens,
        initializer_range=case.initializer_range,
    )
    text = [{"role": "user", "content": " ".join(case.words())}]
    make_tiny_model(shape, [text], folder / "initial", seed=0)
    tokenizer = AutoTokenizer.from_pretrained(folder / "initial")
    torch.manual_seed(1)
    start = AutoModelForCausalLM.from_pretrained(folder / "initial", dtype=torch.float32)
    with torch.no_grad():
        for weight in start.parameters():
            weight += 0.1 * case.initializer_range * torch.randn_like(weight)
    start.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    del start
    reward = AutoModelForSequenceClassification.from_pretrained(
        folder / "initial", num_labels=1, dtype=torch.float32
    )
    reward.save_pretrained(folder / "reward")
    tokenizer.save_pretrained(folder / "reward")
    _write_rows(case, folder)


def _write_rows(case: Case, folder: Path) -> None:
    """Write random rows of many lengths, and `even_pairs`, whose rows have one length.

    Batches are formed by length over what one process accumulates; with one length the batches of
    an optimiser step are the same for any number of processes.
    """
    draw, words = random.Random(0), case.words()

    def text(most: int, *, even: bool = False) -> str:
        return " ".join(draw.choices(words, k=most if even else draw.randint(most // 4, most)))

    def pairs(*, even: bool) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "prompt_id": [f"p{row}" for row in range(case.rows)],
                "pair_id": [f"p{row}" for row in range(case.rows)],
                "prompt": [
                    [{"role": "user", "content": text(case.prompt_words, even=even)}]
                    for _ in range(case.rows)
                ],
                **{
                    side: [
                        [{"role": "assistant", "content": text(case.response_words, even=even)}]
                        for _ in range(case.rows)
                    ]
                    for side in ("chosen", "rejected")
                },
            }
        )

    varied = pairs(even=False)
    varied.write_parquet(folder / "pairs.parquet")
    pairs(even=True).write_parquet(folder / "even_pairs.parquet")
    varied.select(row_key="pair_id", messages=pl.concat_list("prompt", "chosen")).write_parquet(
        folder / "demonstrations.parquet"
    )
    varied.select(
        "prompt_id",
        "prompt",
        response_index=pl.lit(0, pl.Int32),
        response=pl.col("chosen").list.last().struct.field("content"),
        finish_reason=pl.lit("stop"),
    ).write_parquet(folder / "responses.parquet")


# The stages. Each returns what is compared and what is only printed.

Measured = tuple[dict[str, list[float]], dict[str, float]]
"""Values by quantity, compared; figures, printed."""


def _training(stage: str, case: Case, processes: int) -> tuple[Any, dict[str, Path], list[str]]:
    """Settings, models (by parameter) and compared metrics of a training stage."""
    batch = 2 * case.micro_batch  # two forward passes a step, or two processes
    shared = {
        "max_steps": case.steps,
        "batch_size": batch,
        "micro_batch_size": case.micro_batch,
        "max_tokens": case.context_tokens,
        "logging_steps": 1,
        "warmup_ratio": 0.0,
        "processes": processes,
    }
    if stage == "sft":
        return SFTSettings(learning_rate=1e-4, **shared), {"model": Path("initial")}, ["loss"]
    if stage == "reward_model":
        settings = RewardModelSettings(learning_rate=1e-4, **shared)
        return settings, {"policy": Path("initial")}, ["loss", "margin", "mean_reward"]
    models = {"start": Path("start"), "reference": Path("initial")}
    compared = ["loss", "rewards/margins", "logps/chosen"]
    return DPOSettings(learning_rate=1e-5, **shared), models, compared


def run_training(
    stage: str, case: Case, folder: Path, dtype: str, *, processes: int = 1, even: bool = False
) -> Measured:
    """Train with `launch`; compare the metrics of every step, check the saved folder."""
    from training.launch import launch

    settings, models, compared = _training(stage, case, processes)
    rows = {"sft": "demonstrations"}.get(stage, "even_pairs" if even else "pairs")
    output = folder / f"trained-{stage}-{dtype}"
    run = launch(
        stage,
        pl.read_parquet(folder / f"{rows}.parquet"),
        output,
        settings,
        seed=0,
        dtype=dtype,
        **{name: folder / model for name, model in models.items()},
    )
    return _trained(run, output, case, compared)


def _trained(run: Any, output: Path, case: Case, compared: list[str]) -> Measured:
    """Collect a training run's metrics; refuse a checkpoint that is not whole and float32."""
    import shutil

    from safetensors import safe_open

    from training.checkpoint import checkpoint_id, require_model

    require_model(output)
    checkpoint_id(output)
    for file in output.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (it is no mapping)
                weight = weights.get_tensor(name)
                if str(weight.dtype) != "torch.float32" or not weight.isfinite().all():
                    raise ValueError(f"{file.name}: {name} is {weight.dtype}, or not finite")
    shutil.rmtree(output)
    by_step = {
        name: run.metrics.filter(metric=name).sort("step")["value"].to_list() for name in compared
    }
    (rate,) = run.metrics.filter(metric="train_steps_per_second")["value"]
    (tokens,) = run.metrics.filter(metric="num_tokens").sort("step")["value"].tail(1)
    figures = {"steps_per_s": rate, "tokens_per_s": tokens * rate / case.steps}
    return by_step, figures


def run_fsdp(case: Case, folder: Path, dtype: str) -> Measured:
    """DPO through `accelerate launch` with recipes/accelerate/fsdp.yaml, on one GPU or on two."""
    import torch

    from training.trainer import read_run

    processes = min(2, torch.cuda.device_count())
    settings, models, compared = _training("dpo", case, processes)
    (folder / "fsdp.json").write_text(settings.model_dump_json())
    output = folder / "trained-fsdp"
    options = {
        "pairs": folder / "even_pairs.parquet",
        **{name: folder / model for name, model in models.items()},
        "output": output,
        "settings": folder / "fsdp.json",
        "seed": 0,
        "dtype": dtype,
    }
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(ROOT / "recipes/accelerate/fsdp.yaml")]
    command += ["--num_processes", str(processes), "-m", "training.dpo"]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    subprocess.run(command, check=True)
    return _trained(read_run(output), output, case, compared)


def run_scoring(case: Case, folder: Path, dtype: str) -> Measured:
    """Score every response with the random reward model."""
    from training.scoring import score

    chunks: list[pl.DataFrame] = []
    run = score(
        pl.read_parquet(folder / "responses.parquet"),
        folder / "reward",
        ScoringSettings(),
        dtype=dtype,
        commit=chunks.append,
    )
    rewards = pl.concat(chunks)["reward"].to_list()
    return {"reward": rewards}, {"tokens_per_s": run.tokens / run.elapsed_s}


def run_logps(case: Case, folder: Path, dtype: str) -> Measured:
    """Sum log-probabilities of every response; tokens/s includes loading the model."""
    from training.logps import sequence_logps
    from training.rendering import conversation_token_ids, load_tokenizer

    responses = pl.read_parquet(folder / "responses.parquet")
    started = time.perf_counter()
    logps = sequence_logps(responses, folder / "initial", batch_tokens=8192, dtype=dtype)
    elapsed_s = time.perf_counter() - started
    ids = conversation_token_ids(
        load_tokenizer(folder / "initial"),
        responses["prompt"].to_list(),
        responses["response"].to_list(),
    )
    return {"logp": logps.to_list()}, {"tokens_per_s": sum(map(len, ids)) / elapsed_s}


def run_generation(case: Case, folder: Path, dtype: str, **engine: int) -> Measured:
    """Sample greedily, then at temperature 1 with a second engine: the first must have left.

    Nothing is compared here; `check_sampled` reads the rows in a process on the CPU.
    """
    from training.generation import generate

    settings = SamplingSettings(
        n=case.n,
        max_tokens=case.response_words,
        max_context_tokens=case.context_tokens,
        **engine,
    )
    greedy = settings.model_copy(update={"n": 1, "temperature": 0.0})
    prompts = pl.read_parquet(folder / "pairs.parquet", columns=["prompt_id", "prompt"])
    for name, chosen in (("greedy", greedy), ("sampled", settings)):
        chunks: list[pl.DataFrame] = []
        run = generate(
            prompts, folder / "initial", chosen, seed=0, dtype=dtype, commit=chunks.append
        )
        rows = pl.concat(chunks)
        keys = rows.select("prompt_id", "response_index").unique().height
        if not keys == rows.height == case.rows * chosen.n:
            raise ValueError(f"{rows.height} responses, {keys} keys; {case.rows * chosen.n} asked")
        rows.join(prompts, on="prompt_id").write_parquet(folder / f"{name}.parquet")
    figures = {
        "tokens_per_s": run.response_tokens / run.elapsed_s,
        "engine_start_s": run.engine_start_s,
    }
    return {}, figures


def check_sampled(folder: Path) -> dict[str, list[float]]:
    """Hold vLLM's responses against the policy's float32 distribution; both should be 0.

    `greedy_gap`: how much less likely a greedy token is than the likeliest, nats, one a response
    (its worst token). `surprise`: mean of log p(token) + entropy over the sampled tokens, nats: it
    is 0 in expectation if, and only if roughly, tokens come from p: another temperature, a cut
    tail or another prompt move it. Responses that do not tokenize back to as many tokens as were
    sampled (a special token among them) are left out; so are these tokens from p.
    """
    greedy = _token_logps(pl.read_parquet(folder / "greedy.parquet"), folder / "initial")
    sampled = _token_logps(pl.read_parquet(folder / "sampled.parquet"), folder / "initial")
    surprises = [surprise for row in sampled for _, surprise in row]
    return {
        "greedy_gap": [max(gap for gap, _ in row) for row in greedy],
        "surprise": [sum(surprises) / len(surprises)],
    }


def _token_logps(rows: pl.DataFrame, model: Path) -> list[list[tuple[float, float]]]:
    """Gap to the likeliest token and log p + entropy of every token, a list a usable response."""
    import torch
    from transformers import AutoModelForCausalLM

    from training.rendering import end_of_turn_id, load_tokenizer, prompt_token_ids

    tokenizer = load_tokenizer(model)
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    stop = end_of_turn_id(tokenizer, model)
    special = [token for token in tokenizer.all_special_ids if token != stop]
    usable = []
    for row in rows.iter_rows(named=True):
        (prompt,) = prompt_token_ids(tokenizer, [row["prompt"]])
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


@dataclass(frozen=True)
class Stage:
    """How a stage is measured, on either device."""

    measure: Callable[[Case, Path, str], Measured]
    reference: Callable[[Case, Path, str], Measured] | None
    """The same on the CPU; None for sampling, which `check_sampled` judges."""
    dtypes: tuple[str, ...] = ("float32", "bfloat16")
    gpus: int = 1


def _training_stage(stage: str) -> Stage:
    def measure(case: Case, folder: Path, dtype: str) -> Measured:
        return run_training(stage, case, folder, dtype)

    return Stage(measure, measure)


def _dpo_even(case: Case, folder: Path, dtype: str) -> Measured:
    return run_training("dpo", case, folder, dtype, even=True)


STAGES: dict[str, Stage] = {
    "sft": _training_stage("sft"),
    "reward_model": _training_stage("reward_model"),
    "dpo": _training_stage("dpo"),
    "scoring": Stage(run_scoring, run_scoring),
    "logps": Stage(run_logps, run_logps),
    "fsdp": Stage(run_fsdp, _dpo_even, ("bfloat16",)),
    "launch": Stage(
        lambda case, folder, dtype: run_training(
            "dpo", case, folder, dtype, processes=2, even=True
        ),
        _dpo_even,
        gpus=2,
    ),
    "generation": Stage(run_generation, None, ("bfloat16",)),
    "replicas": Stage(
        lambda case, folder, dtype: run_generation(case, folder, dtype, replicas=2),
        None,
        ("bfloat16",),
        gpus=2,
    ),
    "tensor_parallel": Stage(
        lambda case, folder, dtype: run_generation(case, folder, dtype, tensor_parallel_size=2),
        None,
        ("bfloat16",),
        gpus=2,
    ),
}
"""In the order in which they are run."""


# Workers: one process a stage and device.


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
    """Run `work` in a process of its own and watch the GPU's memory meanwhile.

    Returns:
        What `work` wrote, with elapsed_s and, on a GPU, peak_mib, left_mib and after_exit_mib, all
        above what was in use before.

    Raises:
        RuntimeError: the worker failed or took too long; the message ends with its output.
    """
    options = {"worker": stage, "device": device, "case": json.dumps(asdict(case))}
    options |= {"work": str(folder), "dtypes": ",".join(dtypes)}
    command = [sys.executable, str(Path(__file__).resolve())]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    used = _device_used_mib if device == "gpu" else lambda: 0.0
    before = peak = used()
    started, log = time.perf_counter(), folder / f"{stage}-{device}.log"
    with log.open("w") as stream:
        # Its own session, so that an engine's processes end with it.
        worker = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
        while worker.poll() is None and time.perf_counter() - started < timeout_s:
            peak = max(peak, used())
            time.sleep(POLL_S)
    elapsed_s = time.perf_counter() - started
    late = worker.poll() is None
    if late or worker.returncode:
        _end_session(worker.pid)
        worker.wait()
        why = f"took more than {timeout_s:g} s" if late else f"exit status {worker.returncode}"
        raise RuntimeError(f"{stage} on {device}: {why}\n{log.read_text()[-6000:]}")
    result = json.loads((folder / f"{stage}-{device}.json").read_text())
    result["elapsed_s"] = elapsed_s
    if device == "gpu":
        time.sleep(1.0)  # the driver frees a dead process's memory within a moment
        result |= {"peak_mib": peak - before, "after_exit_mib": used() - before}
        result["left_mib"] = result.pop("device_used_mib") - before
        _end_session(worker.pid)
    return result


def _end_session(leader: int) -> None:
    """End what a worker left behind; usually nothing is there."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def check_stage(stage: str, folder: Path, timeout_s: float) -> dict[str, Any]:
    """Run a stage on the GPU and on the CPU, and judge it.

    Returns:
        outcome (`passed` or `failed`), differences, problems, and the GPU worker's figures.
    """
    dtypes = STAGES[stage].dtypes
    gpu = run_worker(stage, "gpu", SMALL, folder, dtypes, timeout_s)
    cpu = run_worker(stage, "cpu", SMALL, folder, ["float32"], timeout_s)
    reference = cpu["values"]["float32"]
    differences: list[Difference] = []
    for dtype in dtypes:
        if STAGES[stage].reference is None:
            zeros = {name: [0.0] * len(values) for name, values in reference.items()}
            differences += compare(dtype, reference, zeros)
        else:
            differences += compare(dtype, gpu["values"][dtype], reference)
    problems = [
        f"{d.quantity} in {d.dtype}: {d.difference:.3g} > {d.tolerance:g}"
        for d in differences
        if not d.within
    ]
    problems += memory_problems(gpu)
    return {
        "outcome": "failed" if problems else "passed",
        "problems": problems,
        "differences": [asdict(d) | {"within": d.within} for d in differences],
        **figures_of(gpu),
    }


def memory_problems(gpu: dict[str, Any]) -> list[str]:
    """Say whether a stage kept the GPU's memory, or left a process behind."""
    problems = []
    if gpu["left_mib"] > LEFT_MIB:
        problems.append(f"{gpu['left_mib']:.0f} MiB in use after the call; at most {LEFT_MIB}")
    if gpu["after_exit_mib"] > AFTER_EXIT_MIB:
        problems.append(f"{gpu['after_exit_mib']:.0f} MiB in use after the process ended")
    return problems


def figures_of(gpu: dict[str, Any]) -> dict[str, float]:
    """Flatten a GPU worker's figures; rates are those of the last dtype."""
    rates = list(gpu["figures"].values())[-1]
    return {
        name: round(value, 3)
        for name, value in (rates | gpu).items()
        if isinstance(value, int | float)
    }


def versions() -> dict[str, str]:
    """Versions of what the figures depend on; `missing` where one is not installed."""
    found = {"python": sys.version.split()[0]}
    for name in ("torch", "transformers", "trl", "accelerate", "vllm", "polars"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


FIGURES = (
    "elapsed_s",
    "tokens_per_s",
    "steps_per_s",
    "engine_start_s",
    "peak_mib",
    "left_mib",
    "after_exit_mib",
)


def print_tables(results: dict[str, dict[str, Any]]) -> None:
    """Print outcomes and figures, then differences beside their tolerances."""
    print("\n" + "".join(f"{name:>16}" for name in ("stage", "outcome", *FIGURES)))
    for stage, result in results.items():
        cells = [f"{result[name]:,.1f}" if name in result else "-" for name in FIGURES]
        print("".join(f"{cell:>16}" for cell in (stage, result["outcome"], *cells)))
    print(
        "\n"
        + "".join(
            f"{name:>18}" for name in ("stage", "quantity", "dtype", "difference", "tolerance")
        )
    )
    for stage, result in results.items():
        for row in result.get("differences", ()):
            sign = "" if row["within"] else "  OUT OF TOLERANCE"
            cells = (stage, row["quantity"], row["dtype"])
            numbers = (f"{row['difference']:.2e}", f"{row['tolerance']:g}")
            print("".join(f"{cell:>18}" for cell in cells + numbers) + sign)
    print()


def run_check(
    stages: Sequence[str], hidden: int, layers: int, folder: Path, timeout_s: float
) -> int:
    """Run the stages one after another, print, and return the exit status."""
    import torch

    facts: dict[str, Any] = {"bench": "gpu_check", "versions": versions()}
    if not torch.cuda.is_available():
        print("No NVIDIA GPU is visible here: nothing was checked.")
        print(json.dumps(facts | {"skipped": "no NVIDIA GPU", "passed": None}))
        return 0
    facts |= {"device": torch.cuda.get_device_name(0), "gpus": torch.cuda.device_count()}
    print(f"{facts['gpus']} x {facts['device']}; {facts['versions']}", flush=True)
    results: dict[str, dict[str, Any]] = {}

    def attempt(name: str, run: Callable[[], dict[str, Any]]) -> None:
        try:
            results[name] = run()
        except Exception as error:  # reported, and the exit status is 1
            results[name] = {"outcome": "failed", "problems": [str(error).splitlines()[0]]}
            print(f"{name} failed:\n{error}", flush=True)
        print(f"{name}: {results[name]['outcome']} {results[name].get('problems', '')}", flush=True)

    prepare(SMALL, folder / "small")
    for stage in stages:
        if STAGES[stage].gpus > facts["gpus"]:
            results[stage] = {"outcome": "skipped", "needs_gpus": STAGES[stage].gpus}
        else:
            attempt(stage, lambda stage=stage: check_stage(stage, folder / "small", timeout_s))
    if hidden:
        case, large = large_case(hidden, layers), folder / "large"
        prepare(case, large)
        facts["large"] = asdict(case)
        for stage in stages:
            if STAGES[stage].gpus <= facts["gpus"]:

                def measure(stage: str = stage) -> dict[str, Any]:
                    gpu = run_worker(stage, "gpu", case, large, ["bfloat16"], timeout_s)
                    problems = memory_problems(gpu)
                    outcome = "failed" if problems else "measured"
                    return {"outcome": outcome, "problems": problems, **figures_of(gpu)}

                attempt(f"{stage} (large)", measure)
    print_tables(results)
    passed = all(result["outcome"] != "failed" for result in results.values())
    print(json.dumps(facts | {"passed": passed, "stages": results}))
    return 0 if passed else 1


def main(
    stages: Annotated[str, typer.Option(help="Comma-separated: " + ", ".join(STAGES))] = ",".join(
        STAGES
    ),
    hidden: Annotated[
        int, typer.Option(help="Width of a second model that is only timed; a multiple of 64.")
    ] = 0,
    layers: Annotated[int, typer.Option(help="Its layers; 2048 x 16 has about 1.2B weights.")] = 16,
    timeout_s: Annotated[float, typer.Option(help="Longest run of one stage on one device.")] = 300,
    work_folder: Annotated[
        Path | None,
        typer.Option("--work", help="Folder for models and logs; else a temporary one."),
    ] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
    device: Annotated[str, typer.Option(hidden=True)] = "gpu",
    dtypes: Annotated[str, typer.Option(hidden=True)] = "float32",
    case: Annotated[str, typer.Option(hidden=True)] = "{}",
) -> None:
    """Run the stages on an NVIDIA GPU and compare them with the CPU in float32."""
    if worker is not None:
        work(worker, device, Case(**json.loads(case)), Path(work_folder), dtypes.split(","))
        return
    unknown = set(stages.split(",")) - set(STAGES)
    if unknown:
        raise typer.BadParameter(f"no such stages: {sorted(unknown)}; known: {list(STAGES)}")
    if hidden % 64:
        raise typer.BadParameter("--hidden is not a multiple of 64")
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        folder = work_folder or Path(temporary)
        raise typer.Exit(run_check(stages.split(","), hidden, layers, folder, timeout_s))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
