"""The training objectives of a policy: one value each, all listed in `OBJECTIVES`.

An `Objective` has the tables and models that it needs, and a function that reads its rows, at the
newest versions of the tables or at recorded ones. Not here: the choice among the responses of a
prompt (`transforms.pairs.dpo_pairs`, `best_of_n`, `unpaired`), the settings
(`training.settings.objectives`), the training (the file of the objective's name in `training`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.records import reference_logps
from transforms.pairs import unpaired
from transforms.pairs.best_of_n import select_best_of_n
from transforms.pairs.length_penalty import resolve_length_penalty
from transforms.pairs.responses import (
    read_pairs_between,
    read_with_references,
    read_with_rewards,
)
from transforms.prompts.rows_by_split import list_iteration_splits
from transforms.settings.pairs import PairSettings

SCORED = ("generations", "scores", "prompts")
PROMPTS = ("prompts", "prompt_splits")
"""Tables that all iterations share. Of any other table, each iteration has its own slice."""

NONE_DROPPED = pl.DataFrame(
    schema={"row_key": pl.String, "reason": pl.String, "evidence": pl.String}
)

Rows = tuple[pl.DataFrame, pl.DataFrame]
"""Rows to train on, by iteration and prompt_id; and the prompts without a row, as row_key, reason,
evidence."""


@dataclass(frozen=True)
class TrainedPart:
    """The part of the loop's tables that is the training data of one policy."""

    experiment: str
    iterations: Sequence[int]
    pairs: PairSettings
    """Length penalty, and which responses are usable."""
    settings: Any
    """Settings of the training."""
    splits: Sequence[str] = ()
    """Splits of the prompts of these iterations; empty: the splits of all iterations."""


def _keep_rows(rows: pl.DataFrame, batch: int, seed: int) -> pl.DataFrame:
    return rows


@dataclass(frozen=True)
class Objective:
    """What the training of a policy minimises, with the tables and models that it needs."""

    name: str
    """Value of `loop.objective`, group of settings below `loop`, stage in `training`."""
    tables: tuple[str, ...]
    """Tables that its rows are read from."""
    read_rows: Callable[[Lake, TrainedPart], Rows]
    """Reads the training rows of a policy."""
    rows_per_prompt: Callable[[int, int, Any], int]
    """Returns the highest number of rows per prompt, given the numbers of its responses and pairs,
    and the settings of the training."""
    responses_per_row: int = 1
    """Responses per row that the policy is trained on."""
    takes_reference: bool = True
    """Whether it compares the policy with a reference."""
    computes_rewards: bool = False
    """Whether its training computes the rewards of its own responses."""
    sides: tuple[str, ...] = ()
    """Columns of responses whose reference log-probabilities are part of its rows."""
    complete_rows: Callable[[Any, int, int], Any] = _keep_rows
    """Adds missing columns of `sides`, given rows, rows per forward pass, and a seed. If nothing is
    missing, the rows may also be frames that are read once."""

    @property
    def iteration_tables(self) -> tuple[str, ...]:
        """Tables whose slice of an iteration it reads."""
        return tuple(table for table in self.tables if table not in PROMPTS)

    @property
    def shared_tables(self) -> tuple[str, ...]:
        """Tables that it reads and that all iterations share."""
        return tuple(table for table in self.tables if table in PROMPTS)

    @property
    def reads_scores(self) -> bool:
        """Whether it chooses among scored responses itself, by the settings of pairs."""
        return "scores" in self.tables


def read_pairs(lake: Lake, part: TrainedPart) -> Rows:
    """Read pairs: prompt_id, prompt, chosen, rejected."""
    found = read_pairs_between(
        lake,
        experiment=part.experiment,
        iteration=max(part.iterations),
        first_iteration=min(part.iterations),
    )
    return found, NONE_DROPPED


def read_labelled_responses(lake: Lake, part: TrainedPart) -> Rows:
    """Read responses with a label each: prompt_id, prompt, completion, label."""
    return _choose(
        lake,
        part,
        lambda rows, penalty: unpaired.label_responses(
            rows, part.pairs, penalty, part.settings.rule
        ),
    )


def read_best_of_n(lake: Lake, part: TrainedPart) -> Rows:
    """Read the best response of every prompt: prompt_id, prompt, completion."""
    return _choose(lake, part, lambda rows, penalty: select_best_of_n(rows, part.pairs, penalty))


def read_prompts(lake: Lake, part: TrainedPart) -> Rows:
    """Read the prompts for which the training samples responses: prompt_id, prompt, reference."""
    splits = part.splits or list_iteration_splits(lake.read("prompt_splits"))
    return read_with_references(lake, splits), NONE_DROPPED


def _choose(lake: Lake, part: TrainedPart, choose: Callable[[pl.DataFrame, float], Rows]) -> Rows:
    """Apply `choose` to the scored responses of each iteration, with lambda of eq. 8."""
    chosen = []
    for iteration in part.iterations:
        responses = read_with_rewards(lake, experiment=part.experiment, iteration=iteration)
        chosen.append(choose(responses, resolve_length_penalty(responses, part.pairs)))
    kept, dropped = zip(*chosen, strict=True)
    return pl.concat(kept), pl.concat(dropped)


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective(
            "dpo",
            ("dpo_pairs",),
            read_pairs,
            rows_per_prompt=lambda responses, pairs, settings: pairs,
            responses_per_row=2,
            sides=reference_logps.SIDES,
        ),
        Objective(
            "kto",
            SCORED,
            read_labelled_responses,
            rows_per_prompt=lambda responses, pairs, settings: (
                2 if settings.rule == "best_and_worst" else responses
            ),
            sides=unpaired.SIDES,
            complete_rows=unpaired.add_mismatched,
        ),
        Objective(
            "raft",
            SCORED,
            read_best_of_n,
            rows_per_prompt=lambda responses, pairs, settings: 1,
            takes_reference=False,
        ),
        Objective(
            "rloo",
            PROMPTS,
            read_prompts,
            rows_per_prompt=lambda responses, pairs, settings: responses,
            computes_rewards=True,
        ),
    )
}
"""Every objective, by name."""
