"""Settings of pairs: how scored responses become pairs, and when sampling stops early."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


class PairSettings(Settings):
    """How n scored responses of a prompt become preference pairs."""

    rule: Literal["best_vs_worst", "best_vs_random", "best_vs_second", "all_above_margin"] = (
        "best_vs_worst"
    )
    """Which responses of a prompt are paired, by penalised reward. `best_vs_worst`: paper, section
    3.3, best against worst of n = 8. `best_vs_random`: the best against one of the others, chosen
    by a hash of the prompt. `best_vs_second`: the best against the next best. `all_above_margin`:
    every two responses whose margin is at least `min_margin`; the only rule with several pairs per
    prompt."""
    length_penalty: Annotated[float, Field(ge=0)] | Literal["calibrated"] = 0.0
    """lambda of eq. 8, in reward units per unit of length: r - lambda |a|. Table 6: 0.001 per
    character. `calibrated` computes the lambda at which the penalised reward has no slope on length
    within the prompts of the responses that are paired; it is negative where the reward favours
    short responses."""
    length_unit: Literal["chars", "tokens"] = "chars"
    """Unit of |a| in eq. 8; the published code counts characters."""
    min_margin: float = Field(default=0.0, ge=0)
    """Pairs with a smaller penalised margin are dropped; equal rewards are dropped at any value."""
    drop_truncated: bool = False
    """Leave out responses cut at max_tokens: they have no end-of-turn token, and training would add
    one."""

    def ordering(self) -> dict[str, Any]:
        """Return the settings that decide the order of a prompt's responses."""
        return self.model_dump(include={"length_penalty", "length_unit", "drop_truncated"})


class AdaptiveSettings(Settings):
    """Responses are sampled in rounds, until a prompt's best-worst margin is settled, at most n.

    The margin is the difference of the highest and the lowest penalised reward of the responses so
    far, in reward units. It never shrinks. The rules save tokens; some pairs differ from those of a
    fixed n.
    """

    round: int = Field(ge=2)
    """Responses per prompt and round; divides n."""
    enough_margin: float | None = Field(default=None, gt=0)
    """A prompt is settled once its margin is at least this, in reward units; null: no margin is
    enough."""
    least_growth: float | None = Field(default=None, ge=0)
    """A prompt is settled once a round, from the second on, has widened its margin by no more than
    this, in reward units; null: no growth is too small."""

    @model_validator(mode="after")
    def _some_rule(self) -> Self:
        if self.enough_margin is None and self.least_growth is None:
            raise ValueError("name enough_margin, least_growth or both; else nothing stops early")
        return self
