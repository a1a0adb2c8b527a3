"""The stages that train a model: one value per stage, listed in `STAGES`. Imports no torch.

Not here: the training functions (one module per stage), launching them (`training.runs.launch`),
the other stages (generation, scoring, ranking, reference_logps, evaluation).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from training.settings.objectives import DPOSettings, KTOSettings, RAFTSettings, RLOORun
from training.settings.stages import PreferenceModelSettings, RewardModelSettings, SFTSettings
from training.settings.training import TrainingSettings


@dataclass(frozen=True)
class Stage:
    """One stage that trains a model."""

    name: str
    """Module in `training`, key of a checkpoint's recorded settings and, for an objective, its name
    in `transforms.pairs.objectives`."""
    settings: type[TrainingSettings]
    rows: str
    """Command-line option for the file of its rows, or for the folder of their examples."""
    start: str = "start"
    """Parameter of the model that training starts from."""
    models: tuple[str, ...] = ()
    """Parameters of the other models that it needs."""
    kind: Literal["causal_lm", "reward_model"] = "causal_lm"
    """Kind of the checkpoint that it writes, a column of the table `checkpoints`."""

    @property
    def module(self) -> str:
        """Module for `python -m`."""
        return f"training.{self.name}"

    def load(self) -> Callable[..., Any]:
        """Import the stage's training function; this imports torch."""
        return getattr(import_module(self.module), f"train_{self.name}")

    def load_maker(self, start: Path, settings: TrainingSettings) -> Callable[..., Any]:
        """Return the function that makes examples (`training.runs.examples.Make`).

        Args:
            start: folder of the model that training starts from, whose tokenizer is used.
            settings: settings of the stage.
        """
        return import_module(self.module).load_maker(start, settings)


STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("sft", SFTSettings, rows="demonstrations", start="model"),
        Stage(
            "reward_model", RewardModelSettings, rows="pairs", start="policy", kind="reward_model"
        ),
        Stage("preference_model", PreferenceModelSettings, rows="pairs", start="policy"),
        Stage("dpo", DPOSettings, rows="pairs"),
        Stage("kto", KTOSettings, rows="responses"),
        Stage("raft", RAFTSettings, rows="responses"),
        Stage("rloo", RLOORun, rows="prompts", models=("reference",)),
    )
}
"""Every stage that trains a model, by name."""
