import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.prompts import near_duplicates
from transforms.prompts.near_duplicates import NEAR_DUPLICATES, find_near_duplicates
from transforms.settings.prompts import NearDuplicateSettings

SETTINGS = NearDuplicateSettings()
RECIPE = "Write a short poem about the sea, in which no line is longer than eight words"
STORY = "Explain to a child of ten why the sky is blue at noon and red in the evening, please"


def prompts(*texts, ids=None):
    ids = ids or [f"p{number:02}" for number in range(len(texts))]
    schema = {"prompt_id": pl.String, "text": pl.String}
    return pl.DataFrame({"prompt_id": ids, "text": texts}, schema=schema)


def drops(frame, **changes):
    found = find_near_duplicates(frame, SETTINGS.model_copy(update=changes))
    assert dict(found.schema) == NEAR_DUPLICATES
    return {row["prompt_id"]: (row["kept_id"], row["similarity"]) for row in found.to_dicts()}


def kept_ids(frame, **changes):
    return {prompt: kept for prompt, (kept, _) in drops(frame, **changes).items()}


def resemblance(one, other, size=5):
    """Jaccard similarity by the book, for texts of `size` characters or more."""
    one, other = ({t[i : i + size] for i in range(len(t) - size + 1)} for t in (one, other))
    return len(one & other) / len(one | other)


def test_a_changed_word_is_a_near_duplicate_and_another_text_is_none():
    changed = RECIPE.replace("eight", "8")
    found = drops(prompts(RECIPE, STORY, changed))
    assert found == {"p02": ("p00", pytest.approx(resemblance(RECIPE.lower(), changed.lower())))}


def test_case_and_white_space_make_no_difference_and_signs_do():
    assert drops(prompts("Is x < 3?", "is  X\n< 3? ")) == {"p01": ("p00", 1.0)}
    assert drops(prompts("Is x < 3?", "Is x > 3?")) == {}
    assert drops(prompts(RECIPE, RECIPE.upper(), f" {RECIPE}"), threshold=1.0).keys() == {
        "p01",
        "p02",
    }


def test_the_threshold_decides():
    changed = RECIPE.replace("poem", "story").replace("sea", "sun")
    between = resemblance(RECIPE.lower(), changed.lower())
    assert drops(prompts(RECIPE, changed), threshold=between - 0.001)
    assert not drops(prompts(RECIPE, changed), threshold=between + 0.001)


def test_a_chain_is_one_cluster_and_its_evidence_may_lie_below_the_threshold():
    words = RECIPE.split()
    middle = " ".join(["Compose", *words[1:]])
    far = " ".join([*middle.split()[:-1], "syllables"])
    threshold = 0.8
    assert resemblance(RECIPE.lower(), middle.lower()) > threshold
    assert resemblance(middle.lower(), far.lower()) > threshold
    assert resemblance(RECIPE.lower(), far.lower()) < threshold
    found = drops(prompts(RECIPE, middle, far))
    assert {prompt: kept for prompt, (kept, _) in found.items()} == {"p01": "p00", "p02": "p00"}
    assert found["p02"][1] == pytest.approx(resemblance(RECIPE.lower(), far.lower()))
    assert not drops(prompts(RECIPE, far))


@pytest.mark.parametrize("text", ["hi", "a", "好", "はい", "?", "", "🙂"])
def test_a_text_shorter_than_a_shingle_equals_itself_only(text):
    others = ["he", "b", "坏", "いい", "!", "x y", "🙃"]
    assert kept_ids(prompts(text, *others, text)) == {"p08": "p00"}


def test_text_without_spaces():
    story = "请用幽默风趣的语言修改以下内容形成一篇文章并取一个带有悬念的标题写出三个不同的结尾"
    other = "根据下面的数据计算每个月的平均交易次数并说明哪些客户的行为发生了明显变化"
    assert kept_ids(prompts(story, other, story.replace("结尾", "结局"))) == {"p02": "p00"}


def test_a_cluster_larger_than_a_batch_of_pairs(monkeypatch):
    monkeypatch.setattr(near_duplicates, "PAIRS_AT_ONCE", 10)
    draw = random.Random(0)
    template = " ".join(draw.choices(["river", "stone", "cloud", "ember", "maple", "wolf"], k=60))
    variants = [f"{template} {number}" for number in range(40)]
    # a template with contents of its own shares bands and is no near duplicate
    contents = [f"{template} " + "".join(draw.choices("abcdefghij ", k=300)) for _ in range(40)]
    ids = [f"p{number:02}" for number in range(80)]
    found = kept_ids(prompts(*variants, *contents, ids=ids))
    assert found == {f"p{number:02}": "p00" for number in range(1, 40)}


def test_no_prompts():
    assert find_near_duplicates(prompts(), SETTINGS).is_empty()


PHRASES = st.sampled_from(
    [RECIPE, STORY, "東京で一番おいしいラーメン屋を教えてください", "short", ""]
)
TEXTS = st.lists(
    st.builds(
        lambda text, cut, extra: text[cut:] + extra,
        PHRASES,
        st.integers(0, 12),
        st.text("ab 京", max_size=8),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_row_order_does_not_matter_and_more_prompts_only_drop_more(texts, draw):
    frame = prompts(*texts)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=draw.randrange(1000))
    found = find_near_duplicates(frame, SETTINGS)
    assert find_near_duplicates(shuffled, SETTINGS).equals(found)
    assert not set(found["kept_id"]) & set(found["prompt_id"])
    some = pl.Series(draw.choices([True, False], k=len(texts)), dtype=pl.Boolean)
    fewer = find_near_duplicates(frame.filter(some), SETTINGS)
    assert set(fewer["prompt_id"]) <= set(found["prompt_id"])
    # prompts that were of one cluster still are
    cluster = dict(found.select("prompt_id", "kept_id").rows())
    for prompt, kept in fewer.select("prompt_id", "kept_id").rows():
        assert cluster[prompt] == cluster.get(kept, kept)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_close_texts_are_found_and_lowest_ids_stay(texts):
    frame = prompts(*texts)
    found = kept_ids(frame)
    folded = [" ".join(text.lower().split()).ljust(5, "\0") for text in texts]
    for i, one in enumerate(folded):
        for j in range(i):
            if resemblance(one, folded[j]) >= 0.9:
                assert found[f"p{i:02}"] == found.get(f"p{j:02}", f"p{j:02}")
    for prompt, kept in found.items():
        assert kept < prompt
