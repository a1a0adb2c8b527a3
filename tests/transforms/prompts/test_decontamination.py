import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.schemas import schema_of
from transforms.prompts import decontamination
from transforms.prompts.decontamination import CONTAMINATED, count_searches, find_contaminated
from transforms.settings.prompts import DecontaminationSettings

THIRTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def prompts(*texts):
    ids = [f"p{number}" for number in range(len(texts))]
    schema = {"prompt_id": pl.String, "text": pl.String}
    return pl.DataFrame({"prompt_id": ids, "text": texts}, schema=schema)


def items(*texts, evaluation_set="set"):
    rows = [(evaluation_set, f"i{number}", text) for number, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=schema_of("evaluation_texts"), orient="row")


def spans(prompt_texts, item_texts, ngram_words=13):
    found = find_contaminated(
        prompts(*prompt_texts),
        items(*item_texts),
        DecontaminationSettings(ngram_words=ngram_words),
    )
    assert dict(found.schema) == CONTAMINATED
    return found.select("prompt_id", "item", "span").rows()


@pytest.mark.parametrize(
    ("prompt", "item"),
    [
        (f"before {THIRTEEN} after", f"other {THIRTEEN}, end."),
        (THIRTEEN, THIRTEEN.upper().replace(" ", ",\n")),
    ],
)
def test_thirteen_words_in_a_row_are_shared(prompt, item):
    assert spans([prompt], [item.replace(",", ", ")]) == [("p0", "i0", THIRTEEN)]


def test_twelve_are_not_enough_unless_a_recipe_says_so():
    twelve = THIRTEEN.rsplit(" ", 1)[0]
    assert spans([f"a {twelve} b"], [f"c {twelve} d"]) == []
    assert spans([f"a {twelve} b"], [f"c {twelve} d"], ngram_words=12) == [("p0", "i0", twelve)]
    # the thirteenth word stands in another place
    assert spans([f"{twelve} x thirteen"], [THIRTEEN]) == []


def test_no_run_crosses_from_one_text_to_the_next():
    half, rest = THIRTEEN.split(" seven ")
    assert spans([f"{half} seven", rest], [THIRTEEN]) == []
    assert spans([THIRTEEN], [f"x {half} seven", f"{rest} x"]) == []


QUESTION = "Which planet is the largest one?"


@pytest.mark.parametrize(
    "prompt",
    [
        QUESTION,
        f"Question: {QUESTION}",
        f"{QUESTION}\nA. Mars\nB. Jupiter\nAnswer:",
        f"I have a test tomorrow. {QUESTION} Say why, in one sentence.",
        "which planet is  THE LARGEST one",
    ],
)
def test_a_short_item_is_found_inside_a_prompt(prompt):
    span = "which planet is the largest one"
    assert spans([prompt], [QUESTION]) == [("p0", "i0", span)]


@pytest.mark.parametrize(
    "prompt",
    ["Which planet is the smallest one?", "Which planet is the largest?", "largest one which"],
)
def test_a_part_of_a_short_item_is_not_enough(prompt):
    assert spans([prompt], [QUESTION]) == []


@pytest.mark.parametrize(
    ("item", "inside"),
    [
        ("one two three four five six", True),
        ("one two three four five", False),
        ("a b c d e f g", False),
        ("中国历史上最大的城市是哪一个", True),
        ("今天天气如何", False),
    ],
)
def test_a_trivial_item_matches_the_whole_prompt_only(item, inside):
    assert spans([item], [item]) != []
    assert bool(spans([f"Say: {item}!"], [item])) is inside


def test_a_short_text_that_three_items_share_matches_the_whole_prompt_only():
    form = "Which of the following is true?"
    asked = [f"{form} A. Yes", form]
    assert len(spans(asked, [form] * 2)) == 4
    assert [prompt for prompt, *_ in spans(asked, [form] * 3)] == ["p1"] * 3


def test_one_changed_word_in_thirteen_hides_an_item_unless_n_is_eight():
    longer = f"{THIRTEEN} fourteen fifteen sixteen seventeen"
    changed = longer.replace("nine", "9")
    assert spans([changed], [longer]) == []
    found = " ".join(longer.split()[:8])
    assert spans([changed], [longer], ngram_words=8) == [("p0", "i0", found)]


def test_items_are_counted_by_their_search():
    texts = items(THIRTEEN, QUESTION, "Who are you?", QUESTION, QUESTION)
    texts = pl.concat([texts, items(QUESTION, THIRTEEN, evaluation_set="another")])
    counts = count_searches(texts, DecontaminationSettings())
    assert counts.rows() == [("another", 2, 1, 1, 0), ("set", 5, 1, 0, 4)]
    assert count_searches(texts.clear(), DecontaminationSettings()).is_empty()


@pytest.mark.parametrize(
    ("prompt", "item"), [("what is", "what is atlantis"), ("?", "!"), ("", "")]
)
def test_nothing_is_shared(prompt, item):
    assert spans([prompt], [item]) == []


def test_spans_are_merged_and_the_longest_is_the_evidence():
    longer = f"{THIRTEEN} fourteen fifteen"
    once = f"{THIRTEEN} x {longer}"
    assert spans([once], [f"{longer} y {THIRTEEN}"]) == [("p0", "i0", longer)]
    twice = " ".join([THIRTEEN] * 2)
    assert spans([twice], [twice]) == [("p0", "i0", twice)]


def test_one_row_per_prompt_and_item_in_order():
    both = pl.concat([items(THIRTEEN, "short text"), items(THIRTEEN, evaluation_set="another")])
    asked = prompts(THIRTEEN, "harmless", f"{THIRTEEN} again", "Short text!")
    found = find_contaminated(asked.reverse(), both, DecontaminationSettings())
    assert found.select("prompt_id", "evaluation_set", "item").rows() == [
        ("p0", "another", "i0"),
        ("p0", "set", "i0"),
        ("p2", "another", "i0"),
        ("p2", "set", "i0"),
        ("p3", "set", "i1"),
    ]


def test_a_hash_collision_drops_no_prompt(monkeypatch):
    def all_equal(codes, size):
        return np.zeros(max(len(codes) - size + 1, 0), np.uint64)

    monkeypatch.setattr(decontamination, "hash_windows", all_equal)
    other = " ".join(reversed(THIRTEEN.split()))
    assert spans([other, THIRTEEN], [THIRTEEN]) == [("p1", "i0", THIRTEEN)]


def test_parts_change_nothing(monkeypatch):
    texts = [f"{number} {THIRTEEN} {number}" for number in range(30)]
    whole = spans(texts, texts)
    monkeypatch.setattr(decontamination, "PART_CHARS", 150)
    monkeypatch.setattr(decontamination, "PART_MATCHES", 20)
    assert spans(texts, texts) == whole
    assert len(whole) == 900


@pytest.mark.parametrize(("asked", "screened"), [([], [THIRTEEN]), ([THIRTEEN], []), ([], [])])
def test_nothing_to_compare(asked, screened):
    assert spans(asked, screened) == []


def longest_shared_runs(prompt, item, n):
    """Longest shared runs of words, by brute force."""
    one, other = (text.split() for text in (prompt, item))
    if len(other) < 6 or len("".join(other)) < 12:
        return {prompt} if one == other and one else set()
    n = min(n, len(other))
    runs = {}
    for i in range(len(one)):
        for j in range(len(other)):
            length = 0
            while i + length < len(one) and j + length < len(other):
                if one[i + length] != other[j + length]:
                    break
                length += 1
            if length >= n:
                runs.setdefault(length, set()).add(" ".join(one[i : i + length]))
    return runs[max(runs)] if runs else set()


WORDS = st.lists(st.sampled_from(["a", "bb"]), max_size=14).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4, unique=True))
def test_search_agrees_with_brute_force(asked, screened):
    found = {(prompt, item): span for prompt, item, span in spans(asked, screened, ngram_words=8)}
    for i, prompt in enumerate(asked):
        for j, item in enumerate(screened):
            expected = longest_shared_runs(prompt, item, 8)
            span = found.pop((f"p{i}", f"i{j}"), None)
            assert span in expected if expected else span is None
    assert not found


MORE_WORDS = st.lists(st.text("abc", min_size=1, max_size=5), max_size=20).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(MORE_WORDS, MORE_WORDS, MORE_WORDS, st.integers(8, 13))
def test_an_item_inside_any_prompt_is_found_if_it_is_long_enough(before, item, after, n):
    prompt = f"{before} x {item} y {after}"
    enough = len(item.split()) >= 6 and len("".join(item.split())) >= 12
    assert bool(spans([prompt], [item], ngram_words=n)) is enough
