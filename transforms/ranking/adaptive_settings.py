"""Settings of adaptive n: when a prompt gets no further responses."""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings import Settings


class AdaptiveSettings(Settings):
    """Responses are drawn in rounds, until a prompt's best-worst margin is settled, at most n.

    The margin is the difference of the highest and the lowest penalised reward of the responses so
    far, in reward units. It never shrinks: the rules trade tokens for the pairs of a fixed n.
    """

    round: int = Field(ge=2)
    """Responses a prompt and round; divides n."""
    enough_margin: float | None = Field(default=None, gt=0)
    """Settled once the margin is at least this, reward units; null: however wide."""
    least_growth: float | None = Field(default=None, ge=0)
    """Settled once a round, the second or a later one, has widened the margin by no more than this,
    reward units; null: however little."""

    @model_validator(mode="after")
    def _some_rule(self) -> Self:
        if self.enough_margin is None and self.least_growth is None:
            raise ValueError("name enough_margin, least_growth or both; else nothing stops early")
        return self
