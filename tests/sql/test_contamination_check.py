import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.schemas import schema_of
from transforms.prompts.decontamination import find_contaminated
from transforms.prompts.prompt_rules import prompt_text
from transforms.settings.prompts import DecontaminationSettings
from transforms.views.query import check, connect_frames

THIRTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def prompts(**texts):
    """Prompts by id; a list of texts is a conversation."""
    rows = [
        {
            "prompt_id": prompt,
            "prompt": [{"role": "user", "content": turn} for turn in text]
            if isinstance(text, list)
            else [{"role": "user", "content": text}],
        }
        for prompt, text in texts.items()
    ]
    return pl.DataFrame(rows, schema=schema_of("prompts"))


def splits(**places):
    return pl.DataFrame(list(places.items()), schema=schema_of("prompt_splits"), orient="row")


def items(*rows):
    return pl.DataFrame(rows, schema=schema_of("evaluation_texts"), orient="row")


def failures(asked, screened, used=None):
    used = splits(**dict.fromkeys(asked["prompt_id"], "iteration_1")) if used is None else used
    frames = {"prompts": asked, "prompt_splits": used, "evaluation_texts": screened}
    with connect_frames(frames) as connection:
        return check(connection, "no_contaminated_prompt")


def test_a_prompt_that_shares_thirteen_words_fails():
    asked = prompts(p=f"Say: {THIRTEEN}!", q="something else", r=f"{THIRTEEN} fourteen")
    screened = items(
        ("set", "b", f"What is {THIRTEEN.upper()}?"),
        ("set", "a", f"{THIRTEEN} fourteen"),
        ("other", "c", "nothing of the kind"),
    )
    used = splits(p="iteration_2", q="validation", r="length_study")
    assert failures(asked, screened, used).rows() == [
        ("p", "iteration_2", "set", "a", 2, THIRTEEN),
        ("r", "length_study", "set", "a", 2, THIRTEEN),
    ]


def test_a_prompt_that_is_in_no_split_passes():
    asked = prompts(p=THIRTEEN, q="harmless")
    assert failures(asked, items(("set", "a", THIRTEEN)), splits(q="iteration_1")).is_empty()


@pytest.mark.parametrize(
    ("prompt", "item"),
    [
        (THIRTEEN.rsplit(" ", 1)[0] + " x", THIRTEEN),
        ("What is Atlantis? Tell me.", "what is atlantis"),
        ("ha ha ha ha ha ha", "ha ha ha"),
        ("请问今天天气如何？谢谢", "请问今天天气如何"),
        ("?", "!"),
        ("", ""),
    ],
)
def test_a_part_of_an_item_and_a_trivial_item_pass(prompt, item):
    assert failures(prompts(p=prompt), items(("set", "a", item))).is_empty()


@pytest.mark.parametrize(
    ("prompt", "item"),
    [
        ("What is Atlantis?", "what is  ATLANTIS"),
        ("don’t — stop", "Don't stop"),
        (THIRTEEN.replace(" ", " - "), THIRTEEN.replace(" ", "\u3000")),
        (THIRTEEN.split(" seven ", 1)[0] + " seven", THIRTEEN.split(" eight")[0]),
        ("Question: Which planet is the largest one? A. Mars", "Which planet is the largest one?"),
        ("请问：中国历史上最大的城市是哪一个？谢谢", "中国历史上最大的城市是哪一个"),
        ("请问今天天气如何？", "请问今天天气如何"),
    ],
)
def test_whole_short_items_and_any_punctuation_fail(prompt, item):
    assert failures(prompts(p=prompt), items(("set", "a", item)))["prompt_id"].to_list() == ["p"]


def test_a_text_that_three_items_share_is_a_form():
    form = "Which of the following is true?"
    asked = prompts(p=f"{form} A. Yes", q=form)
    two = items(("set", "a", form), ("set", "b", form), ("other", "c", form))
    assert failures(asked, two)["prompt_id"].to_list() == ["p", "p", "q", "q"]
    three = pl.concat([two, items(("set", "d", form))])
    assert failures(asked, three).rows()[1:] == [
        ("q", "iteration_1", "other", "c", 1, "which of the following is true"),
        ("q", "iteration_1", "set", "a", 3, "which of the following is true"),
    ]


def test_turns_follow_one_another():
    half, rest = THIRTEEN.split(" seven ")
    assert failures(prompts(p=[half, f"seven {rest}"]), items(("set", "a", THIRTEEN))).height == 1


PIECES = [
    "a",
    "B",
    "é",
    "É",
    "don't",
    "don’t",
    "x²",
    "-",
    "\n",
    "\t",
    "\u00a0",
    "京",
    "กำ",
    "ß",
    "_",
    ".",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=24).map(" ".join)
    | st.lists(st.sampled_from(["word", "京都"]), min_size=2, max_size=15).map(" ".join),
    max_size=4,
)


@settings(max_examples=10, deadline=None)
@given(TEXTS, TEXTS)
def test_the_check_finds_what_the_screening_drops_and_nothing_else(asked, screened):
    collected = prompts(**{f"p{number}": text for number, text in enumerate(asked)})
    listed = items(*[("set", f"i{number}", text) for number, text in enumerate(screened)])
    texts = collected.select("prompt_id", text=prompt_text())
    dropped = find_contaminated(texts, listed, DecontaminationSettings())
    counted = dropped.group_by("prompt_id").agg(items=pl.len().cast(pl.Int64)).sort("prompt_id")
    assert failures(collected, listed).select("prompt_id", "items").equals(counted)
    clean = collected.join(dropped, on="prompt_id", how="anti")
    assert failures(clean, listed).is_empty()
