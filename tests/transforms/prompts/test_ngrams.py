import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.prompts.ngrams import cut_into_slices, find_window_starts, hash_windows

CODES = st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=6)


@given(CODES, st.integers(1, 5))
def test_windows_lie_inside_texts_and_hash_by_content(texts, size):
    codes = np.array([code for text in texts for code in text], np.uint64)
    starts, counts = find_window_starts(np.array([len(text) for text in texts], np.int64), size)
    expected = [
        tuple(text[i : i + size]) for text in texts for i in range(max(len(text) - size + 1, 0))
    ]
    found = [tuple(codes[start : start + size].tolist()) for start in starts]
    assert found == expected
    assert counts.tolist() == [max(len(text) - size + 1, 0) for text in texts]
    hashes = hash_windows(codes, size)[starts].tolist()
    assert len(set(hashes)) == len(set(expected)) == len(set(zip(hashes, expected, strict=True)))


def test_order_matters():
    forth, back = (hash_windows(np.array(codes, np.uint64), 3) for codes in ([1, 2, 3], [3, 2, 1]))
    assert forth != back


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_slices_cover_all_rows_in_order_and_are_bounded(weights, limit):
    slices = list(cut_into_slices(np.array(weights, np.int64), limit))
    assert [row for part in slices for row in range(len(weights))[part]] == list(
        range(len(weights))
    )
    assert all(sum(weights[part][:-1]) <= limit for part in slices)
