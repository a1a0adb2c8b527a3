"""Published sizes of datasets, against the sums that the sources give."""

import pytest

from transforms.sources.catalog import CATALOGUE
from transforms.sources.catalog.published_sizes import (
    PUBLISHED,
    TABLE_1,
    mean_pair_tokens,
    mean_prompt_tokens,
)


def test_the_pairs_of_table_1_are_those_of_the_authors_collection():
    pairs = [size.rows for size in PUBLISHED.values() if size.source == TABLE_1]
    assert (len(pairs), sum(pairs)) == (10, 848_965)


def test_means_are_weighted_by_pairs_and_by_prompts():
    prompt, responses = mean_pair_tokens()
    # 834 million tokens of all pairs, with the prompt counted on both sides
    assert 848_965 * (2 * prompt + responses) == pytest.approx(834e6, rel=0.01)
    assert mean_prompt_tokens() == pytest.approx(268.6, abs=0.1)


def test_every_size_is_of_a_dataset_that_an_entry_or_a_recipe_reads():
    unread = set(PUBLISHED) - {entry.hub_id for entry in CATALOGUE.values()}
    assert unread == {"hendrydong/preference_700K", "RLHFlow/RLHFlow-SFT-Dataset-ver2"}
