"""Disk that a study needs, in bytes: checkpoints, step checkpoints, tables.

A trained checkpoint has all weights in float32, also if only an adapter was trained, which is there
once more. A step checkpoint has the trained weights and two moments of AdamW (12 bytes per weight).
While a new one is written, as many as `KEPT_STEPS` older ones exist. Not here: memory
(`training.planning.memory`).
"""

from training.planning.activations import FLOAT32, Head
from training.planning.memory import ADAM, count_trained, count_weights
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.training import KEPT_STEPS, TrainingSettings

TOKEN_BYTES = 4
"""Bytes of a token in a table: an English token has four characters."""
ROW_BYTES = 64
"""Bytes of the keys and numbers of a row in a table."""


def measure_checkpoints(
    model: ArchitectureSettings, settings: TrainingSettings, head: Head, *, kept: int = 0
) -> int:
    """Compute the bytes of a training's checkpoint and of those kept after a share of its steps."""
    adapter = count_trained(model, settings, head) if settings.lora else 0
    weights = count_weights(model, head) + adapter
    return (1 + len(settings.kept_shares) + kept) * FLOAT32 * weights


def measure_step_checkpoints(
    model: ArchitectureSettings, settings: TrainingSettings, head: Head
) -> int:
    """Compute the bytes of step checkpoints at once; they are removed when the training ends."""
    if settings.checkpoint_steps is None:
        return 0
    per_weight = FLOAT32 + ADAM[settings.optimizer]
    return (KEPT_STEPS + 1) * per_weight * count_trained(model, settings, head)


def measure_rows(rows: float, tokens: float) -> int:
    """Compute the bytes of rows of a table with texts of so many tokens in all."""
    return round(rows * ROW_BYTES + tokens * TOKEN_BYTES)
