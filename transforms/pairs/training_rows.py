"""What a policy is trained on, read back from an iteration's tables, by its objective.

Lives here: the rows of each `loop.objective`, at the newest version or at recorded ones. Not here:
the choice among a prompt's responses (`transforms.pairs.dpo_pairs`, `best_of_n`,
`unpaired`), the training.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.records import reference_logps
from transforms.pairs import unpaired
from transforms.pairs.best_of_n import best_of_n
from transforms.pairs.dpo_pairs import length_penalty
from transforms.pairs.responses import NEWEST, pairs_between, with_rewards
from transforms.pairs.unpaired import desirable_or_not, mismatched
from transforms.settings.pairs import PairSettings

SCORED = ("generations", "scores", "prompts")
PROMPTS = ("prompts", "prompt_splits")
TABLES = {"dpo": ("dpo_pairs",), "kto": SCORED, "raft": SCORED, "rloo": PROMPTS}
"""The tables that an objective's rows are read from."""

COMPARED = ("dpo", "kto")
"""Objectives whose rows carry log-probabilities of the reference."""

NONE_DROPPED = pl.DataFrame(
    schema={"row_key": pl.String, "reason": pl.String, "evidence": pl.String}
)


def training_rows(
    lake: Lake,
    objective: str,
    pairs: PairSettings,
    rule: str = "",
    *,
    experiment: str,
    iteration: int,
    first_iteration: int,
    versions: Mapping[str, int] = NEWEST,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read what an objective trains on in the iterations `first_iteration` ... `iteration`.

    Args:
        lake: the lake.
        objective: a key of `TABLES`.
        pairs: length penalty and which responses are usable, where the responses are read.
        rule: of `kto`, which of them are desirable (`transforms.pairs.unpaired`).
        experiment: of the rows.
        iteration: the last iteration.
        first_iteration: the first one.
        versions: Delta version of each table; the newest of those that it does not name.

    Returns:
        Of `dpo`: prompt_id, prompt, chosen, rejected. Of `raft`: prompt_id, prompt, completion. Of
        `kto`: these and label. Sorted by iteration and prompt_id. And the prompts left out:
        row_key, reason, evidence.
    """
    slice_ = {"experiment": experiment, "iteration": iteration}
    if objective == "dpo":
        version = versions.get("dpo_pairs")
        found = pairs_between(lake, version, **slice_, first_iteration=first_iteration)
        return found, NONE_DROPPED
    chosen = []
    for t in range(first_iteration, iteration + 1):
        rows = with_rewards(lake, versions, experiment=experiment, iteration=t)
        penalty = length_penalty(rows, pairs)
        chosen.append(
            desirable_or_not(rows, pairs, penalty, rule)
            if objective == "kto"
            else best_of_n(rows, pairs, penalty)
        )
    kept, dropped = zip(*chosen, strict=True)
    return pl.concat(kept), pl.concat(dropped)


def compared_rows(
    objective: str, rows: pl.DataFrame, batch: int, seed: int
) -> tuple[pl.DataFrame, Sequence[str]]:
    """Complete rows to what a reference is asked about, and name the columns of responses in them.

    Args:
        objective: `dpo` or `kto`.
        rows: from `training_rows`.
        batch: rows of a forward pass.
        seed: of the training.
    """
    if objective == "kto":
        return mismatched(rows, batch, seed), unpaired.SIDES
    return rows, reference_logps.SIDES
