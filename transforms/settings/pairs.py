"""Settings of pairs: the pair rule, the length penalty, sampling in rounds."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings


class PairSettings(Settings):
    """Settings by which n scored responses of a prompt become preference pairs."""

    rule: Literal["best_vs_worst", "best_vs_random", "best_vs_second", "all_above_margin"] = (
        "best_vs_worst"
    )
    """Which responses of a prompt are paired, by penalised reward. `best_vs_worst`: best against
    worst of n = 8 (paper, section 3.3). `best_vs_random`: the best against another one, selected
    by a hash of the prompt. `best_vs_second`: the best against the second best.
    `all_above_margin`: all pairs of responses with a margin of at least `min_margin`; only this
    rule makes several pairs per prompt."""
    length_penalty: Annotated[float, Field(ge=0)] | Literal["calibrated"] = 0.0
    """λ of eq. 8, in reward units per unit of length: r - λ|a|. Table 6: 0.001 per character.
    `calibrated` computes the λ for which the penalised reward does not depend on length (slope 0
    within prompts) among the responses that are paired. It is negative if the reward favours short
    responses."""
    length_unit: Literal["chars", "tokens"] = "chars"
    """Unit of |a| in eq. 8; the published code counts characters."""
    min_margin: float = Field(default=0.0, ge=0)
    """Pairs with a smaller penalised margin are dropped; pairs with equal rewards always are."""
    largest_margins: float = Field(default=1.0, gt=0, le=1)
    """Share of an iteration's pairs that is kept, by the largest penalised margins; 1: all pairs.
    A small margin is more often a mistake of the ranker (Deng et al. 2025, arXiv 2502.14560, who
    keep 10 to 25 %). Fewer pairs make fewer optimiser steps, unless `dpo.max_steps` is set."""
    drop_truncated: bool = False
    """Do not pair responses cut at max_tokens: they have no end-of-turn token, and training would
    add one."""

    def ordering(self) -> dict[str, Any]:
        """Return the settings that determine the order of a prompt's responses."""
        return self.model_dump(include={"length_penalty", "length_unit", "drop_truncated"})


class AdaptiveSettings(Settings):
    """Sampling in rounds: a prompt gets no more responses once its margin is sufficient.

    The margin is the difference between the highest and the lowest penalised reward of the
    responses so far, in reward units. It never decreases. A prompt gets at most n responses. The
    rules save tokens; some pairs differ from the pairs of a fixed n.
    """

    round: int = Field(ge=2)
    """Responses per prompt and round; n must be a multiple of it."""
    enough_margin: float | None = Field(default=None, gt=0)
    """A prompt gets no more responses once its margin is at least this, in reward units; null: this
    rule is off."""
    least_growth: float | None = Field(default=None, ge=0)
    """A prompt gets no more responses once a round, from the second on, increases its margin by at
    most this, in reward units; null: this rule is off."""

    @model_validator(mode="after")
    def _require_rule(self) -> Self:
        if self.enough_margin is None and self.least_growth is None:
            raise ValueError("set enough_margin, least_growth or both; else no prompt stops early")
        return self
