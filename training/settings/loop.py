"""Settings of the iterations: what an experiment may override. Imports no torch.

Not here: the groups of settings that they are put together from (the files beside this one).
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from training.settings.feedback import FeedbackSettings
from training.settings.objectives import DPOSettings, KTOSettings, RAFTSettings, RLOOSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import RankingSettings, ScoringSettings
from training.settings.training import TrainingSettings
from transforms.settings.frozen import Settings
from transforms.settings.pairs import PairSettings


class RLOORun(RLOOSettings):
    """One RLOO run: its settings, and what it takes from the loop."""

    sampling: SamplingSettings = SamplingSettings()
    """How its responses are drawn: n, temperature, top_p, max_tokens."""
    scoring: ScoringSettings = ScoringSettings()
    """How the reward model is run over them."""
    pairs: PairSettings = PairSettings()
    """The length penalty, and whether truncated responses are kept out of the gradient."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        n = self.sampling.n
        if n < 2 or self.batch_size % n:
            raise ValueError(
                f"rloo.batch_size {self.batch_size} counts responses: it is to be a multiple of"
                f" sampling.n {n}, and n at least 2"
            )
        if self.sampling.samplers or self.sampling.adaptive or self.sampling.temperature == 0:
            raise ValueError(
                "rloo samples the current policy, n at a time: no samplers, no adaptive, a"
                " temperature above 0"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("rloo has no scored responses to calibrate a length penalty on")
        return self

    def decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the trained weights and their metrics."""
        settings = super().decisive()
        del settings["scoring"]
        return settings | {
            "sampling": self.sampling.model_dump(
                include={"n", "temperature", "top_p", "max_tokens"}
            ),
            "pairs": self.pairs.model_dump(
                include={"length_penalty", "length_unit", "drop_truncated"}
            ),
        }


class LoopSettings(Settings):
    """The iterations. An experiment may override any key below `loop`, and nothing else."""

    iterations: int = Field(default=3, ge=1, le=99)
    """T. Paper: 3. Draws the graph, so no experiment overrides it."""
    sampling: SamplingSettings = SamplingSettings()
    """How the responses of an iteration are drawn."""
    ranker: str = "reward_model"
    """What ranks them: `reward_model`, `reward_model_<name>` of the recipe's `reward_models`,
    `preference_model`, or `judge`."""
    feedback: FeedbackSettings | None = None
    """Fresh labels every iteration, from which the reward model that `ranker` names goes on; null:
    it stays as it is."""
    scoring: ScoringSettings = ScoringSettings()
    """How a reward model is run over them."""
    ranking: RankingSettings = RankingSettings()
    """How a preference model or a judge compares them."""
    pairs: PairSettings = PairSettings()
    """How scored responses become pairs."""
    objective: Literal["dpo", "kto", "raft", "rloo"] = "dpo"
    """How a policy is trained: `dpo`, on pairs, by `dpo.loss`; `kto`, on responses that are
    desirable or not; `raft`, on the best of n; `rloo`, by a policy gradient on fresh samples. The
    group of the same name below holds its settings, learning rate included."""
    dpo: DPOSettings = DPOSettings()
    """How a policy is trained on the pairs."""
    kto: KTOSettings = KTOSettings()
    """How a policy is trained on desirable and undesirable responses."""
    raft: RAFTSettings = RAFTSettings()
    """How a policy is fine-tuned on the best of n."""
    rloo: RLOOSettings = RLOOSettings()
    """How a policy is trained by a policy gradient."""
    reference: Literal["initial", "previous"] = "initial"
    """Reference of DPO. Paper: "always pi_0"; the published scripts use the previous iterate."""
    start: Literal["previous", "initial"] = "previous"
    """Weights that an iteration's training starts from. Paper: the previous iterate."""
    data: Literal["current", "accumulated"] = "current"
    """Pairs that an iteration trains on: its own (as published), or all up to it (Figure 6)."""

    @model_validator(mode="after")
    def _policy_gradient(self) -> Self:
        if self.objective == "rloo":
            self.training()
            if not self.ranker.startswith("reward_model") or self.feedback is not None:
                raise ValueError("rloo is trained on a reward model, and without feedback")
        return self

    @model_validator(mode="after")
    def _adaptive_margins(self) -> Self:
        if self.sampling.adaptive is None:
            return self
        if not self.ranker.startswith("reward_model") or self.feedback is not None:
            raise ValueError(
                "sampling.adaptive scores between rounds, by a reward model that is there before"
                " the responses: no other ranker, and no feedback"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("sampling.adaptive needs pairs.length_penalty as a number")
        return self

    @property
    def has_responses(self) -> bool:
        """Whether tables hold the responses of an iteration: a policy gradient keeps none."""
        return self.objective != "rloo"

    def training(self) -> TrainingSettings:
        """Settings of the objective's training."""
        if self.objective != "rloo":
            return getattr(self, self.objective)
        taken = ("sampling", "scoring", "pairs")
        return RLOORun(**self.rloo.model_dump(), **{name: getattr(self, name) for name in taken})
