import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.prompts import shingles
from transforms.prompts.shingles import jaccard, sign_texts


def shingle_set(text, size):
    text = text.ljust(size, "\0")
    return {text[i : i + size] for i in range(len(text) - size + 1)}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab京 \U0001f642", max_size=12), min_size=1, max_size=6), st.integers(2, 6))
def test_similarity_is_that_of_the_sets_of_shingles(texts, size):
    rows = np.arange(len(texts))
    left, right = (side.ravel() for side in np.meshgrid(rows, rows))
    sets = [shingle_set(text, size) for text in texts]
    expected = [
        len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in zip(left, right, strict=True)
    ]
    assert jaccard(pl.Series(texts), left, right, size).tolist() == expected


def test_parts_change_nothing(monkeypatch):
    texts = pl.Series(
        [f"prompt number {number} of many " * (number % 4 + 1) for number in range(60)]
    )
    left, right = np.triu_indices(60, 1)
    whole = jaccard(texts, left, right, 5), sign_texts(texts, 5, 64, 7)
    monkeypatch.setattr(shingles, "PART_CHARS", 200)
    parts = jaccard(texts, left, right, 5), sign_texts(texts, 5, 64, 7)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_slots_estimate_the_similarity():
    draw = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(2000)])
    texts = []
    for kept in np.repeat(np.linspace(0.5, 1, 100), 2):
        base = words[draw.permutation(2000)[:80]]
        other = np.where(draw.random(80) < kept, base, draw.choice(words, 80))
        texts += [" ".join(base), " ".join(other)]
    series = pl.Series(texts)
    left = np.arange(0, len(texts), 2)
    exact = jaccard(series, left, left + 1, 5)
    signatures = sign_texts(series, 5, 256, 0)
    estimate = (signatures[left] == signatures[left + 1]).mean(axis=1)
    deviation = np.sqrt(exact * (1 - exact) / 256)
    assert abs((estimate - exact).mean()) < 0.01
    assert (np.abs(estimate - exact) <= 4 * deviation).all()
    # another seed is another estimate
    assert (sign_texts(series, 5, 256, 1) != signatures).mean() > 0.9
