"""Training of a stage on the nodes of a Ray cluster: a command like `accelerate launch`.

Ray Train starts the processes, and starts all again if one is lost; the stage then resumes from its
last step checkpoint. The stage runs as below `accelerate launch`: the same options, and the same
environment variables for its kind of sharding. Not here: the stages, step checkpoints
(`training.runs.step_checkpoints`).

python -m training.runs.ray_training --num_processes 16 --config_file fsdp.yaml \
    -m training.sft --model base --demonstrations rows --output sft
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from training.runs.command_line.run import load_command, require_usable_sharding
from training.runs.ray_cluster import connect, reserve
from training.runs.trackers import VARIABLES

MAX_RESTARTS = 3
"""How often all processes are started again."""
RESERVED = {"num_cpus": "CPU", "num_gpus": "GPU"}
"""Names that Ray Train has for what a process reserves."""


def read_environment(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment variables of a training process on a node.

    They are those that `accelerate launch` would set, without addresses, and those of trackers.
    Secrets, such as a tracker's key, come from the environment of the nodes.
    """
    from accelerate.utils.launch import prepare_multi_gpu_env

    wanted = ("ACCELERATE_", "FSDP_", "OMP_NUM_THREADS", *VARIABLES)
    found = prepare_multi_gpu_env(arguments)
    return {name: value for name, value in found.items() if name.startswith(wanted)}


def run_stage(config: Mapping[str, Any]) -> None:
    """Run a stage's command in this process, which Ray Train has started."""
    os.environ.update(config["environment"])
    require_usable_sharding(os.environ)
    app = typer.Typer(add_completion=False)
    app.command()(load_command(config["stage"]))
    app(args=[*config["words"]], standalone_mode=False)


def main(words: Sequence[str]) -> None:
    """Read the options of `accelerate launch`, and run the stage on the cluster.

    Raises:
        InputError: the cluster is missing, or has too few places.
        TrainingFailedError: the training failed, also after it was started again.
    """
    os.environ |= {"RAY_TRAIN_V2_ENABLED": "1", "RAY_DEDUP_LOGS": "0"}  # before Ray is imported
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    arguments = _validate_launch_command(launch_command_parser().parse_args(words))[0]
    connect(show_output=True)
    each = reserve(arguments.num_processes, 1)
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    stage_words = arguments.training_script_args
    output = Path(stage_words[stage_words.index("--output") + 1])
    TorchTrainer(
        run_stage,
        train_loop_config={
            "stage": arguments.training_script.rpartition(".")[2],
            "words": stage_words,
            "environment": read_environment(arguments),
        },
        scaling_config=ScalingConfig(
            num_workers=arguments.num_processes,
            use_gpu=each["num_gpus"] > 0,
            resources_per_worker={RESERVED[name]: count for name, count in each.items() if count},
        ),
        run_config=RunConfig(
            # in the folder of the examples, which the launcher removes
            storage_path=str((output.parent / f".{output.name}.inputs").absolute()),
            name="ray",
            failure_config=FailureConfig(max_failures=MAX_RESTARTS),
        ),
    ).fit()


if __name__ == "__main__":
    main(sys.argv[1:])
