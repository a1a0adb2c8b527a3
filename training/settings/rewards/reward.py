"""Settings of one reward that a recipe brings: a model, a function, a verifier, or a sum.

Not here: how each kind computes (`training.rewards`, `training.scoring`), the file of a function
(`training.settings.rewards.function_source`).
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from training.settings.rewards.function_source import FunctionSource, read_function
from transforms.settings.frozen import Settings
from transforms.settings.names import Name

Way = Literal["path", "function", "verifier", "sum"]
WAYS: tuple[Way, ...] = ("path", "function", "verifier", "sum")
"""Keys, exactly one of which a reward has."""


class RewardSettings(Settings):
    """A reward of the recipe: exactly one of `path`, `function`, `verifier` and `sum`."""

    path: str | None = None
    """Local folder or hub id of a sequence classifier with one label, which transformers loads, and
    which has a chat template. It is not trained; `model.dtype` is the type of its weights."""
    revision: str | None = None
    """Git revision of the hub model; required with a hub id, so that a rerun reads the same
    weights."""
    function: str | None = None
    """Python function: `package.module:name`, or `file.py:name` with a file relative to the recipe.
    It is called with lists, `function(prompts=..., responses=...)`, and returns one number per
    response. Its scores are computed again if the code of its file, or of a local module that this
    file imports, changes; comments and layout do not count."""
    verifier: Literal["exact_match", "number", "program", "instructions"] | None = None
    """Compares a response with the reference of its prompt (`sources.<name>.reference`).
    `exact_match`: equal texts; `number`: equal last numbers; `program`: the reference is unit
    tests, which run in the sandbox; `instructions`: the share of the prompt's instructions that the
    response follows."""
    sum: dict[Name, float] = Field(default={})
    """Weights of other rewards by name: the reward is the weighted sum of theirs. A reward model
    that the recipe trains may be one of them (`reward_model`, `reward_model_<name>`). The rewards
    of the parts are rows of `score_components`."""

    @model_validator(mode="after")
    def _require_one_way(self) -> Self:
        found = [name for name in WAYS if getattr(self, name)]
        if len(found) != 1:
            raise ValueError(f"set exactly one of {', '.join(WAYS)}")
        if self.revision is not None and self.path is None:
            raise ValueError("only `path` has a revision")
        if self.sum and len(self.sum) < 2:
            raise ValueError("a sum has at least two parts")
        if without := [name for name, weight in self.sum.items() if weight == 0]:
            raise ValueError(f"{without[0]} has the weight 0, and would be no part of the sum")
        return self

    @property
    def way(self) -> Way:
        """Return the one key that is set."""
        return next(name for name in WAYS if getattr(self, name))

    @property
    def parts(self) -> list[str]:
        """Return the names of the rankers whose rewards a sum adds."""
        return [*self.sum]

    def read_function(self) -> FunctionSource:
        """Read the file of the function.

        Raises:
            InputError: see `training.settings.rewards.function_source.read_function`.
        """
        return read_function(self.function or "")
