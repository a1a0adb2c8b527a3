"""Options of sources: the options of every source, and further ones of single datasets.

Not here: the files or datasets to read (`transforms.settings.sources`), the code that applies the
options (`transforms.sources.catalog`, `transforms.sources.intake`).
"""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class SourceOptions(Settings):
    """Options of every source; an entry may add options and change defaults."""

    system_turn: Literal["drop", "fold", "remove"] = "drop"
    """Treatment of a leading system turn, which the standard format does not have: `drop` the row,
    `fold` the text into the first user turn, or `remove` the turn. Upstream's choice is not
    published."""
    drop_ties: bool = True
    """Drop comparisons with equal scores; false keeps them in the source's order."""
    min_margin: float = Field(default=0.0, ge=0)
    """Minimum difference of two absolute scores, in the source's units. The paper (section 2.1)
    drops small margins, but publishes no threshold; 0 keeps all comparisons except ties."""
    max_pairs_per_prompt: int | None = Field(default=None, ge=1)
    """Maximum number of comparisons per prompt; a hash with `seed` selects them."""
    seed: int = 0
    """Seed of the selection for `max_pairs_per_prompt`."""


class SHPOptions(SourceOptions):
    """Options of SHP."""

    max_pairs_per_prompt: int | None = Field(default=5, ge=1)
    """Paper, section 2.1: "at most 5 pairs are taken for each prompt". The authors' selection is
    not published; here a hash with `seed` selects the pairs."""
    score_ratio_above: float = Field(default=2.0, ge=1)
    """The ratio of votes must be above this. Paper, section 2.1: "a score ratio > 2"."""


Attribute = Literal["helpfulness", "correctness", "coherence", "complexity", "verbosity"]


class HelpSteerOptions(SourceOptions):
    """Options of HelpSteer."""

    score_attributes: tuple[Attribute, ...] = Field(
        default=("helpfulness", "correctness"), min_length=1
    )
    """Attributes whose mean is a response's score. The score of the published set is not known; the
    authors named the default for an older set. Their 37,131 pairs require a finer score, such as
    the mean of more attributes."""


class PKUOptions(SourceOptions):
    """Options of PKU-SafeRLHF-30K."""

    label: Literal["safer", "better"] = "safer"
    """Label that decides which response is preferred: `safer_response_id` or `better_response_id`.
    The authors' choice is not published."""
    drop_disputed: bool = False
    """Drop rows whose two labels differ. The authors seem to have kept them: their set has as many
    pairs as the source has rows."""


class KeptTies(SourceOptions):
    """Options of a set of which the authors kept every row."""

    drop_ties: bool = False
    """The authors' standard set has as many pairs as the source has rows: ties were kept."""


class OrcaOptions(SourceOptions):
    """Options of the distilabel Orca pairs.

    The authors kept 6,926 of 12,859 rows. About 8,800 rows are not ties; the rule by which the
    authors dropped the others is not published, and by default there is none here.
    """

    system_turn: Literal["drop", "fold", "remove"] = "fold"
    """Most rows have a system prompt, which the standard format does not have; `drop` would leave
    fewer rows than the authors kept."""
    min_chosen_score: float | None = None
    """Minimum rating of the chosen response, from 1 to 10; null: no minimum. Argilla's card
    recommends 8."""
    drop_gsm8k_train: bool = False
    """Drop questions of GSM8K's training split, as Argilla's card recommends."""


class UltraFeedbackOptions(SourceOptions):
    """Options of UltraFeedback."""

    score: Literal["fine-grained_score", "overall_score"] = "fine-grained_score"
    """Score of a response: the mean over four aspects, as in the card of the published set, or one
    score by GPT-4, which was wrong in 2,628 responses before December 2023."""


class UltraInteractOptions(SourceOptions):
    """Options of UltraInteract.

    The authors' filter kept 161,927 of 219,522 rows and is not published. By default only the
    structural filter is applied.
    """

    tasks: tuple[str, ...] = ()
    """Kinds of task (column `task`, such as Coding or Logic) to keep; empty keeps all."""
    max_history_turns: int | None = Field(default=None, ge=1)
    """Maximum number of turns before the response: 1 keeps only the first step of a tree; null
    keeps all."""


class NectarOptions(SourceOptions):
    """Options of Nectar."""

    comparisons: Literal["best_and_worst", "all"] = "best_and_worst"
    """One pair per prompt, the best and the worst answer, as in the loop (paper, section 3.3), or
    all pairs of answers. The choice for the paper's offline baseline (appendix) is not
    published."""


class MathOptions(SourceOptions):
    """Options of the maths answers: the score by which they are compared."""

    score: Literal["reward_model", "correctness"] = "reward_model"
    """A reward model's score, as in the loop of the paper, or the correctness of the answer: then
    only a right and a wrong answer are compared."""


class StyleOptions(SourceOptions):
    """Options of RM-Bench: which chosen and rejected responses are compared."""

    styles: Literal["same", "all"] = "same"
    """Each side has three styles (short, long, formatted). `same`: only responses of the same
    style, which differ in content alone. `all`: all nine combinations, as in RM-Bench's matrix of
    accuracies."""
