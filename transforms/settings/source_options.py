"""Options of sources: choices that every source has, and those that a dataset adds.

Not here: where rows are read from (`transforms.settings.sources`), what the options do
(`transforms.sources.catalog`, `transforms.sources.intake`).
"""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class SourceOptions(Settings):
    """Choices that every source has; an entry may add its own and change a default."""

    system_turn: Literal["drop", "fold", "remove"] = "drop"
    """A leading system turn, which the standard format does not have: `drop` the row, `fold` the
    text into the first user turn, or `remove` the turn. What upstream did is not published."""
    drop_ties: bool = True
    """Drop comparisons of equal scores; false keeps them in the source's order."""
    min_margin: float = Field(default=0.0, ge=0)
    """Least difference of two absolute scores, in the source's units. The paper (section 2.1) drops
    small margins and publishes no threshold; 0 keeps every comparison but ties."""
    max_pairs_per_prompt: int | None = Field(default=None, ge=1)
    """Most comparisons of one prompt; a hash with `seed` chooses which ones stay."""
    seed: int = 0
    """Seed of the choice of `max_pairs_per_prompt`."""


class SHPOptions(SourceOptions):
    """Choices for SHP."""

    max_pairs_per_prompt: int | None = Field(default=5, ge=1)
    """Paper, section 2.1: "at most 5 pairs are taken for each prompt". Which five is not published;
    here they are drawn by hash with `seed`."""
    score_ratio_above: float = Field(default=2.0, ge=1)
    """Ratio of votes that a pair must exceed. Paper, section 2.1: "a score ratio > 2"."""


Attribute = Literal["helpfulness", "correctness", "coherence", "complexity", "verbosity"]


class HelpSteerOptions(SourceOptions):
    """Choices for HelpSteer."""

    score_attributes: tuple[Attribute, ...] = Field(
        default=("helpfulness", "correctness"), min_length=1
    )
    """Attributes whose mean is a response's score. The score of the published set is not known; the
    default is the one that the authors named for an older set. Their 37,131 pairs must come of a
    finer score, such as the mean of more attributes."""


class PKUOptions(SourceOptions):
    """Choices for PKU-SafeRLHF-30K."""

    label: Literal["safer", "better"] = "safer"
    """The label that says which response is preferred: `safer_response_id` or
    `better_response_id`. Which one the authors used is not published."""
    drop_disputed: bool = False
    """Drop rows whose two labels differ. The authors seem to have kept them: their set has as many
    pairs as the source has rows."""


class KeptTies(SourceOptions):
    """Choices for a set of which the authors kept every row."""

    drop_ties: bool = False
    """The authors' standard set has as many pairs as the source has rows: ties stayed."""


class OrcaOptions(SourceOptions):
    """Choices for the distilabel Orca pairs.

    The authors kept 6,926 of 12,859 rows; about 8,800 are no ties, and what else they dropped is
    not published. By default nothing else is dropped.
    """

    system_turn: Literal["drop", "fold", "remove"] = "fold"
    """Most rows have a system prompt, which the standard format has not; dropping them would leave
    fewer rows than the authors kept."""
    min_chosen_score: float | None = None
    """Least rating of the chosen response, from 1 to 10. Argilla's card advises 8; null: all."""
    drop_gsm8k_train: bool = False
    """Drop questions of GSM8K's training split, as Argilla's card advises."""


class UltraFeedbackOptions(SourceOptions):
    """Choices for UltraFeedback."""

    score: Literal["fine-grained_score", "overall_score"] = "fine-grained_score"
    """The score of a response: the mean over four aspects, which the card of the published set
    names, or one score by GPT-4, wrong in 2,628 responses before December 2023."""


class UltraInteractOptions(SourceOptions):
    """Choices for UltraInteract.

    The authors' filter kept 161,927 of 219,522 rows and is not published. By default nothing but
    the structural filter is applied.
    """

    tasks: tuple[str, ...] = ()
    """Kinds of task (column `task`, such as Coding or Logic) to keep; none named keeps all."""
    max_history_turns: int | None = Field(default=None, ge=1)
    """Most turns before the response: 1 keeps the first step of a tree only; null keeps all."""


class NectarOptions(SourceOptions):
    """Choices for Nectar."""

    comparisons: Literal["best_and_worst", "all"] = "best_and_worst"
    """One pair per prompt, the best against the worst answer, as in the loop (paper, section 3.3),
    or every pair of answers. What the offline baseline (paper, appendix) used is not published."""


class MathOptions(SourceOptions):
    """Which judgement of an answer its pairs go by."""

    score: Literal["reward_model", "correctness"] = "reward_model"
    """A reward model's score, as in the loop of the paper, or whether the answer is right: then
    only a right and a wrong one are compared."""


class StyleOptions(SourceOptions):
    """Which chosen response is compared with which rejected one."""

    styles: Literal["same", "all"] = "same"
    """Three styles a side (short, long, formatted). `same` style: the pair differs in content
    alone; `all` nine, the matrix of RM-Bench's accuracies."""
