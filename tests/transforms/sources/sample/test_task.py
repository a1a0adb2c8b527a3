"""The sample task: what the gold reward says, and that draws are seeded, distinct and as stated."""

import hashlib
import statistics

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES
from transforms.settings.sample_task import SampleTaskSettings
from transforms.sources.sample.gold import (
    CATEGORIES,
    CORRECTNESS_WEIGHT,
    COUNTS,
    FORMAT_WEIGHT,
    FORMATS,
    MARKERS,
    OPPOSITES,
    read_prompt,
    render,
)
from transforms.sources.sample.task import (
    CLOSERS,
    CONTEXTS,
    GREETINGS,
    HABIT,
    OPENERS,
    POLITENESS,
    VERBS,
    gold_reward,
    label_agreement_ceiling,
    make_demonstrations,
    make_preferences,
    make_prompts,
)

SMALL = SampleTaskSettings(seed=7, demonstrations=400, preference_pairs=400, prompts=400)
BULLETS = "hello , name two fruits for a quiz as bullets"
SENTENCE = "name two fruits in a sentence"
C, F = CORRECTNESS_WEIGHT, FORMAT_WEIGHT
HOT = "kindly write the opposite of hot in brackets"


def _texts(frame: pl.DataFrame, column: str) -> list[tuple[str, ...]]:
    return [tuple(turn["content"] for turn in messages) for messages in frame[column].to_list()]


@pytest.mark.parametrize(
    ("prompt", "response", "gold"),
    [
        (BULLETS, "- apple - pear", C + F),
        (BULLETS, "apple pear", C),
        (BULLETS, "- apple pear", C + F / 2),
        (BULLETS, "- apple - hammer", F),
        (BULLETS, "- saw - hammer", F),
        (BULLETS, "- apple - pear have fun !", C + F - 0.03),
        (BULLETS, "- apple - pear" + " thing" * 100, C + F - 0.3),
        (BULLETS, "[ apple ] [ pear ]", C - 0.02),
        (BULLETS, "- apple - saw - pear", C / 2 + F - 0.02),
        (BULLETS, "- apple", C / 2 + F / 2),
        (BULLETS, "", 0.0),
        (BULLETS, "let me know", 0.0),
        (SENTENCE, "apple and pear .", C + F),
        (SENTENCE, "apple and apple .", C / 2 + F),
        (SENTENCE, "apple and pear and plum .", C / 2 + F - 0.02),
        (SENTENCE, "apple and pear", C + F / 2),
        (HOT, "[ cold ]", C + F),
        (HOT, "[ hot ]", F),
        (HOT, "[ cold ] [ hot ]", F - 0.03),
    ],
)
def test_gold_reward_follows_its_formula(prompt, response, gold):
    assert gold_reward(prompt, response) == pytest.approx(gold)


@pytest.mark.parametrize(
    "prompt", ["tell me a joke", "name two fruits", "the opposite of hot", "fruits as bullets"]
)
def test_gold_reward_refuses_a_prompt_of_another_task(prompt):
    with pytest.raises(InputError, match="not a prompt of the sample task"):
        gold_reward(prompt, "- apple")


def test_every_prompt_can_be_answered_perfectly():
    for (prompt,) in _texts(make_prompts(SMALL), "context_messages"):
        request = read_prompt(prompt)
        items = list(request.right[: request.count])
        assert gold_reward(prompt, " ".join(render(items, request.format))) == 1.5


def test_filler_holds_no_answer_and_no_marker():
    answers = {word for words in (*OPPOSITES, *CATEGORIES.values()) for word in words}
    markers = set().union(*MARKERS.values())
    filler = {word for text in (*OPENERS, *CLOSERS, HABIT) for word in text.split()}
    asides = {
        word for text in (*GREETINGS, *POLITENESS, *VERBS, *CONTEXTS) for word in text.split()
    }
    assert not filler & (answers | markers)
    assert not asides & (answers | set(CATEGORIES) | {"opposite", "of"})


def test_prompts_are_distinct_and_rarely_meet_in_two_draws():
    prompts = {texts[0] for texts in _texts(make_prompts(SMALL), "context_messages")}
    asked = {texts[0] for texts in _texts(make_demonstrations(SMALL), "messages")}
    assert len(prompts) == SMALL.prompts
    assert len(prompts & asked) <= 12


@pytest.mark.parametrize("rows", [make_demonstrations, make_preferences, make_prompts])
def test_draws_repeat_and_depend_on_the_seed(rows):
    assert rows(SMALL).equals(rows(SMALL))
    assert not rows(SMALL).equals(rows(SMALL.model_copy(update={"seed": 8})))


def test_draws_do_not_depend_on_the_size_of_another():
    more = SMALL.model_copy(update={"demonstrations": 500})
    assert make_preferences(more).equals(make_preferences(SMALL))
    assert make_demonstrations(more).head(400).equals(make_demonstrations(SMALL))


def test_seed_0_writes_the_same_rows_on_every_machine():
    rows = make_demonstrations(SampleTaskSettings(seed=0, demonstrations=50))
    text = "\n".join("\t".join(texts) for texts in _texts(rows, "messages"))
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "0c17982f9fff"


def test_tables_have_the_columns_of_their_layout():
    assert make_demonstrations(SMALL).schema == {"messages": MESSAGES}
    assert make_prompts(SMALL).schema == {"context_messages": MESSAGES}
    pairs = make_preferences(SMALL)
    assert pairs.schema == {
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "chosen_score": pl.Float64,
        "rejected_score": pl.Float64,
    }
    assert pairs["chosen_score"].null_count() == pairs["rejected_score"].null_count() == 400


def test_pairs_share_a_prompt_and_differ_in_the_response():
    pairs = make_preferences(SMALL)
    for chosen, rejected in zip(_texts(pairs, "chosen"), _texts(pairs, "rejected"), strict=True):
        assert chosen[0] == rejected[0]
        assert chosen[1] != rejected[1]


def test_demonstrations_leave_headroom():
    gold = [gold_reward(*texts) for texts in _texts(make_demonstrations(SMALL), "messages")]
    assert 0.4 < statistics.mean(gold) < 1.0


def test_labels_follow_the_gold_reward_less_so_with_noise():
    def agreement(**changes: float) -> float:
        pairs = make_preferences(SMALL.model_copy(update=changes))
        gaps = [
            gold_reward(*chosen) - gold_reward(*rejected)
            for chosen, rejected in zip(
                _texts(pairs, "chosen"), _texts(pairs, "rejected"), strict=True
            )
        ]
        return statistics.mean(gap > 0 for gap in gaps if gap != 0)

    assert agreement(label_temperature=1e-6, length_bias=0.0) == 1.0
    assert 0.75 < agreement(length_bias=0.0) < 0.99
    assert agreement(label_temperature=1e-6, length_bias=10.0) < 0.7


def test_label_agreement_ceiling_is_what_the_noise_leaves():
    sharp = SMALL.model_copy(update={"label_temperature": 1e-9})
    flat = SMALL.model_copy(update={"label_temperature": 1e9})
    # what is left are pairs of equal utility, whose label is a coin's
    assert 0.97 < label_agreement_ceiling(sharp) < 1.0
    assert label_agreement_ceiling(flat) == pytest.approx(0.5, abs=1e-6)
    assert 0.75 < label_agreement_ceiling(SMALL) < 0.97


def test_the_prompt_space_is_large():
    contents = len(CATEGORIES) * len(COUNTS) + 2 * len(OPPOSITES)
    asides = len(GREETINGS) * len(POLITENESS) * len(VERBS) * len(CONTEXTS) * len(FORMATS)
    assert contents * asides > 50_000
