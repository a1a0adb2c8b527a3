"""Running the command of a stage. Imports no torch: `--help` and a wrong option need no model.

A stage starts with `run_stage`, before its own imports, which take seconds. Not here: the commands
(`training.commands`).
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer

from transforms.errors import InputError

REFUSED = "refused"
"""Key of the last line that a command prints if it refuses its input: the parts of the error."""


def load_command(stage: str) -> Callable[..., None]:
    """Import the command of a stage.

    Args:
        stage: name of its module in `training`.
    """
    return import_module(f"training.commands.{stage}").main


def run_stage(stage: str) -> None:
    """Run the command of a stage, as `run_command` does."""
    run_command(load_command(stage))


def run_command(main: Callable[..., None]) -> None:
    """Run a stage's `main` as a command.

    If it refuses its input, the error is printed to stderr without a traceback, the status is 1,
    and the last line of stdout is JSON, from which the process that has started it makes the same
    `InputError`.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        require_usable_sharding(os.environ)
        app()
    except InputError as error:
        print(json.dumps({REFUSED: {"what": error.what, **error.parts}}), flush=True)
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def require_usable_sharding(launched: Mapping[str, str]) -> None:
    """Refuse kinds of sharding whose numbers or checkpoints would be wrong, or are not tested.

    DeepSpeed and FSDP1 add gradients in the compute type. With another state dict than the full
    one, transformers saves no weights of a finished model. If only the first process loads weights,
    those of TRL's reference are missing in the others.

    Args:
        launched: environment variables, which `accelerate launch` sets from its file.

    Raises:
        InputError: see above.
    """
    usable = {
        "ACCELERATE_USE_DEEPSPEED": ("distributed_type: DEEPSPEED", "false"),
        "ACCELERATE_USE_MEGATRON_LM": ("distributed_type: MEGATRON_LM", "false"),
    }
    if launched.get("ACCELERATE_USE_FSDP") == "true":
        usable |= {
            "FSDP_VERSION": ("fsdp_version", "2"),
            "FSDP_STATE_DICT_TYPE": ("fsdp_state_dict_type", "full_state_dict"),
            "FSDP_CPU_RAM_EFFICIENT_LOADING": ("fsdp_cpu_ram_efficient_loading", "false"),
        }
    for variable, (setting, expected) in usable.items():
        found = launched.get(variable, "false").lower()
        if found != expected:
            raise InputError(
                f"the accelerate file cannot be used: {setting}",
                expected=expected,
                found=found,
                remedy="use recipes/accelerate/fsdp.yaml, or change another setting in a copy",
            )


def print_report(step: int, total_steps: int, metrics: dict[str, float]) -> None:
    """Print a logged step as one line of JSON."""
    line: dict[str, Any] = {"step": step, "total_steps": total_steps, "metrics": metrics}
    print(json.dumps(line), flush=True)
