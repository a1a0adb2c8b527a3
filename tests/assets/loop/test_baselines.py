"""The baselines: how often offline DPO reads its pairs."""

import pytest

from assets.loop.baselines import MOST_PASSES, find_repeats


@pytest.mark.parametrize(("pairs", "warns"), [(8, False), (7, True)])
def test_few_pairs_that_are_read_often_are_a_warning(pairs, warns):
    found = find_repeats(steps=MOST_PASSES, batch_size=8, pairs=pairs)
    assert (found is not None) is warns
    assert not warns or found.startswith("it reads each of its 7 pairs 4.6 times")
