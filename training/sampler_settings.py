"""Settings of a sampler, which draws some of the n responses of a prompt. Imports no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from transforms.settings import Settings


class SamplerSettings(Settings):
    """Some of a prompt's n responses, from one policy at one temperature.

    Paper, section 3.3, on exploration: "models with different training steps", or another
    temperature; "these modifications introduce diversity in the models and facilitate exploration".
    """

    policy: Literal["current", "previous", "initial", "step"] = "current"
    """`current`: the policy that the iteration samples without samplers, the iterate before it;
    `previous`: the iterate before that; `initial`: pi_0; `step`: an earlier step of the training
    that ended in `current`, at `share` of its steps. Where there is none yet, pi_0 is taken: in
    iteration 1 for all four (pi_0 comes from fine-tuning, of which no step is kept), in iteration 2
    for `previous`. Each sampler draws its own responses all the same, from one engine."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Of `step`: share of the training's optimiser steps, rounded up to a whole step."""
    n: int = Field(ge=1)
    """Responses a prompt of this sampler."""
    temperature: float | None = Field(default=None, ge=0)
    """Null: that of `sampling`."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Null: that of `sampling`."""

    @model_validator(mode="after")
    def _share_of_a_step(self) -> Self:
        if (self.policy == "step") != (self.share is not None):
            raise ValueError("`share` belongs to policy step, which needs it: 0 < share < 1")
        return self

    @property
    def policy_name(self) -> str:
        """The policy as `generations` names it: `current`, `previous`, `initial`, `step@0.5`."""
        return self.policy if self.share is None else f"step@{self.share:g}"
