"""All checks: on no rows, on a sound lake, and their head comments."""

import re

import polars as pl
import pytest

from tests.sql.check_rows import (
    checkpoint,
    dpo_pair,
    failures,
    generations,
    preference_pair,
    scores,
    splits,
    table,
)
from transforms.views.statements import SQL, list_checks, list_reports, read_description


@pytest.mark.parametrize("name", list_checks())
def test_no_rows_no_failures(name):
    assert failures(name).is_empty()


@pytest.mark.parametrize("name", list_checks())
def test_a_sound_lake_passes(name):
    keys = [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    found = failures(
        name,
        generations=generations(*keys).with_columns(policy_id=pl.lit("pi_0")),
        scores=scores(*keys, policy_id="pi_0"),
        checkpoints=table(
            "checkpoints", checkpoint("sft_policy", "pi_0"), checkpoint("reward_model", "rm")
        ),
        prompt_splits=splits(p="iteration_1", q="iteration_1", r="iteration_2", v="validation"),
        dpo_pairs=dpo_pair(),
        preference_pairs=preference_pair(),
        mixture_pairs=table(
            "mixture_pairs", {"mixture": "all", "source": "s", "pair_id": "x", "copies": 1}
        ),
        demonstrations=table("demonstrations", {"prompt_id": "p"}),
        evaluation_responses=table("evaluation_responses", {"prompt_id": "v", "reward": 1.0}),
    )
    assert found.is_empty(), found


def test_every_statement_says_what_a_row_is_and_is_lower_case():
    for folder, names in (("checks", list_checks()), ("reports", list_reports())):
        for name in names:
            head = read_description(folder, name)
            passes = r"Passes when [^.]+\. " if folder == "checks" else ""
            assert re.match(f"{passes}One row per", head)
            text = (SQL / folder / f"{name}.sql").read_text()
            assert not re.search(r"\b(SELECT|FROM|WHERE|JOIN|GROUP)\b", text)
