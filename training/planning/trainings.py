"""Trainings of a plan: their examples, loads and checkpoints.

Not here: which trainings a recipe has (`training.planning.work`).
"""

from dataclasses import dataclass

from training.planning import disk
from training.planning.activations import BFLOAT16, Head
from training.planning.examples import Examples
from training.planning.loads import Load, Loads, is_sharded
from training.settings.stages import PreferenceModelSettings, RewardModelSettings, SFTSettings
from training.settings.training import ReferenceSettings, TrainingSettings
from transforms.lake.schemas.table import SHARED

PAIR = 2
"""Responses of a pair."""


@dataclass(frozen=True)
class Work:
    """The work of one asset for one experiment."""

    asset: str
    experiment: str
    rows: int | None
    """Responses, pairs, or examples over all epochs; None if unknown or not counted."""
    bytes: int
    """Disk that stays."""
    loads: tuple[Load, ...] = ()
    scratch: int = 0
    """Disk that is needed only while the asset runs."""
    examples: Examples | None = None
    """What it is trained on, if that is known before the loop."""


def plan_training(loads: Loads, asset: str, settings: TrainingSettings, examples: Examples) -> Work:
    """Plan a training on rows that exist before the loop."""
    head: Head = "reward" if isinstance(settings, RewardModelSettings) else "language"
    single = isinstance(settings, SFTSettings | PreferenceModelSettings)
    packed = getattr(settings, "packing", False)
    sequences = 1 if single else PAIR
    length, repeated = (
        tokens / examples.rows if examples.rows else 0
        for tokens in (examples.tokens, examples.repeated)
    )
    # a comparison contains the prompt of a pair once, as does one pass over its two sides
    computed = length - repeated if single or loads.shares_prompts(settings) else length
    if isinstance(settings, PreferenceModelSettings):
        length = min(computed, settings.max_tokens)
        computed = length * (2 if settings.both_orders else 1)
    rows: float | None = examples.rows * settings.epochs
    tokens = examples.rows * settings.epochs * computed
    if settings.max_steps is not None:
        rows = settings.max_steps * settings.batch_size
        tokens = rows * (settings.max_tokens if packed else computed)
    if examples.missing and settings.max_steps is None:
        rows = None
    load = loads.train(
        asset, settings, head=head, sequences=sequences, tokens=tokens,
        most_tokens=tokens if packed and settings.max_steps
        else (rows or examples.rows) * sequences * settings.max_tokens,
        length=settings.max_tokens if packed else length / sequences,
        models=count_host_models(settings),
    )  # fmt: skip
    return keep_checkpoints(loads, asset, SHARED, settings, head, rows, [load], examples=examples)


def keep_checkpoints(
    loads: Loads, asset: str, experiment: str, settings: TrainingSettings, head: Head,
    rows: float | None, used: list[Load], *, kept: int = 0, examples: Examples | None = None,
) -> Work:  # fmt: skip
    """Add the checkpoints of a training; of a language model, also its bfloat16 copy."""
    model = loads.model
    copied = head == "language" and loads.recipe.devices.bfloat16_copy
    return Work(
        asset, experiment, None if rows is None else round(rows),
        disk.measure_checkpoints(model, settings, head, kept=kept)
        + (BFLOAT16 * model.weights if copied else 0),
        tuple(used),
        disk.measure_step_checkpoints(model, settings, head),
        examples,
    )  # fmt: skip


def count_host_models(settings: TrainingSettings) -> int:
    """Count the models in a process's host memory: under FSDP, TRL's DPO loads a reference, too."""
    return 2 if isinstance(settings, ReferenceSettings) and is_sharded(settings) else 1
