"""The sample task of the quickstart: seeded demonstrations, preference pairs and prompts.

Lives here: how prompts are composed, how imperfect responses are written, how labels are drawn. The
facts and the gold reward are in `transforms.sample_gold`. Nothing here is data from a person.

Demonstrations are imperfect on purpose: their most frequent answer to many questions is a
shrug and their most frequent style ignores the requested format, so that fine-tuning leaves both
sampled and greedy responses something to gain. Preference pairs compare responses of other writers
(about half of the items wrong, other styles), labelled with noise and a taste for long responses.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import polars as pl
from pydantic import Field

from transforms.sample_gold import (
    ATTRIBUTES,
    CATEGORIES,
    COUNTS,
    FACTS,
    FORMATS,
    OPPOSITES,
    gold_reward,
    read_prompt,
    render,
)
from transforms.schemas import MESSAGES
from transforms.settings import Settings

GREETINGS = (
    "", "hello ,", "hi there ,", "hey ,", "good morning ,", "good evening ,", "excuse me ,",
    "dear helper ,",
)  # fmt: skip
POLITENESS = ("", "please", "kindly", "now", "could you", "would you")
VERBS = ("name", "write")
CONTEXTS = (
    "", "for a quiz", "for my class", "for my sister", "for my brother", "for a friend",
    "for a game", "for a poster", "for homework", "for a story", "if you can", "once more",
)  # fmt: skip
OPENERS = (
    "sure , here is what you asked for :",
    "of course , my answer is this :",
    "what a nice question , thank you :",
)
CLOSERS = (
    "i hope that this helps you !",
    "let me know if you need more !",
    "have a lot of fun with it !",
)
"""Filler. No word of it is an answer or a marker, so it costs length and nothing else."""


HABIT = "answer:"
"""How many writers begin whatever format was requested."""


@dataclass(frozen=True)
class Style:
    """How a group of writers responds; every field is a probability per item or per response."""

    right: float
    right_where_shrugged: float  # where many writers shrug
    requested: float  # the requested format
    habit: float  # no format, only HABIT before the items; what is left uses another format
    opener: float
    closer: float


DEMONSTRATORS = Style(
    right=0.85, right_where_shrugged=0.35, requested=0.35, habit=0.5, opener=0.35, closer=0.25
)
"""At a shrugged question and in the choice of format, the most likely response is a bad one."""
OTHER_WRITERS = Style(
    right=0.55, right_where_shrugged=0.45, requested=0.5, habit=0.25, opener=0.5, closer=0.5
)
"""Writers of the preference pairs: about half of the items wrong, more filler, more formats."""

SHRUG = "unknown"
"""What writers put for an item they do not care to find; never right, whatever the question."""
SHRUGGED_SHARE = 0.5
"""Share of questions at which many writers shrug, although others answer them."""
SHRUG_PULL = 0.85
"""Share of the wrong items that are a shrug, at those questions."""
EDITED_SHARE = 0.7
"""Share of pairs whose second response is the first one with one part (items, format or filler)
drawn again. A label then says what it was about, which a small reward model needs."""

_Part = tuple[str, ...]


class SampleTaskSettings(Settings):
    """Size, noise and seed of the sample task."""

    seed: int = 0
    """Seed of the three draws; demonstrations, pairs and prompts use independent streams of it."""
    demonstrations: int = Field(default=12_000, ge=1)
    """Rows for supervised fine-tuning."""
    preference_pairs: int = Field(default=16_000, ge=1)
    """Labelled comparisons of two responses to a prompt."""
    prompts: int = Field(default=6_000, ge=1, le=100_000)
    """Distinct prompts without a response, for sampling and for evaluation."""
    label_temperature: float = Field(default=0.1, gt=0)
    """Bradley-Terry temperature of the labels, in units of gold reward: P(a over b) is
    sigmoid((u_a - u_b) / temperature), u = gold reward + length_bias * words. Near 0: no noise."""
    length_bias: float = Field(default=0.02, ge=0)
    """Utility, in gold reward, that a label adds per word of a response (split at spaces)."""


@dataclass(frozen=True)
class _Comparison:
    prompt: str
    responses: tuple[str, str]
    first_preferred: float  # probability that the label prefers the first response
    first_chosen: bool


def demonstration_rows(settings: SampleTaskSettings) -> pl.DataFrame:
    """Write conversations for supervised fine-tuning, some wrong, unformatted or long-winded.

    Returns:
        One row per conversation: `messages`, a user turn and an assistant turn. Prompts may repeat.
    """
    rng = _stream(settings, "demonstrations")
    rows = []
    for _ in range(settings.demonstrations):
        prompt = _prompt(rng)
        rows.append(
            [_turn("user", prompt), _turn("assistant", _text(_write(rng, prompt, DEMONSTRATORS)))]
        )
    return pl.DataFrame({"messages": rows}, schema={"messages": MESSAGES})


def preference_rows(settings: SampleTaskSettings) -> pl.DataFrame:
    """Compare two responses of other writers; the label is drawn, so it can contradict the gold.

    Returns:
        One row per comparison: `chosen` and `rejected` (the user turn and an assistant turn each),
        `chosen_score` and `rejected_score` null, since labels are binary. Prompts may repeat.
    """
    columns: dict[str, list[object]] = {"chosen": [], "rejected": []}
    for comparison in _comparisons(settings):
        first, second = (
            [_turn("user", comparison.prompt), _turn("assistant", response)]
            for response in comparison.responses
        )
        columns["chosen"].append(first if comparison.first_chosen else second)
        columns["rejected"].append(second if comparison.first_chosen else first)
    frame = pl.DataFrame(columns, schema={"chosen": MESSAGES, "rejected": MESSAGES})
    null = pl.lit(None, dtype=pl.Float64)
    return frame.with_columns(chosen_score=null, rejected_score=null)


def prompt_rows(settings: SampleTaskSettings) -> pl.DataFrame:
    """Draw distinct prompts.

    Returns:
        One row per prompt: `context_messages`, one user turn.
    """
    rng = _stream(settings, "prompts")
    prompts: dict[str, None] = {}
    while len(prompts) < settings.prompts:
        prompts[_prompt(rng)] = None
    rows = [[_turn("user", prompt)] for prompt in prompts]
    return pl.DataFrame({"context_messages": rows}, schema={"context_messages": MESSAGES})


def label_agreement_ceiling(settings: SampleTaskSettings) -> float:
    """Return the best accuracy that any reward model can expect on the labels, in [0.5, 1].

    The mean over the pairs of max(p, 1 - p), where p is the probability that the label prefers the
    first response: even the utility that labels are drawn from disagrees with the other share.
    """
    chances = [comparison.first_preferred for comparison in _comparisons(settings)]
    return sum(max(chance, 1 - chance) for chance in chances) / len(chances)


def _comparisons(settings: SampleTaskSettings) -> Iterator[_Comparison]:
    rng = _stream(settings, "preference_pairs")
    for _ in range(settings.preference_pairs):
        prompt = _prompt(rng)
        parts = _write(rng, prompt, OTHER_WRITERS)
        first = second = _text(parts)
        utilities = (0.0, 0.0)
        # a label between equally useful responses would be noise alone: nobody is asked for one
        while math.isclose(*utilities, abs_tol=1e-9):
            edited = rng.random() < EDITED_SHARE
            second = _text(
                _rewrite(rng, prompt, OTHER_WRITERS, parts)
                if edited
                else _write(rng, prompt, OTHER_WRITERS)
            )
            utilities = (_utility(prompt, first, settings), _utility(prompt, second, settings))
        # tanh form of the sigmoid: no overflow at a temperature near 0
        gap = (utilities[0] - utilities[1]) / settings.label_temperature
        chance = 0.5 * (1 + math.tanh(gap / 2))
        yield _Comparison(prompt, (first, second), chance, rng.random() < chance)


def _utility(prompt: str, response: str, settings: SampleTaskSettings) -> float:
    return gold_reward(prompt, response) + settings.length_bias * len(response.split())


def _stream(settings: SampleTaskSettings, name: str) -> random.Random:
    # a text seed is hashed with SHA-512, so streams are independent and equal on every machine
    return random.Random(f"sample_task/{settings.seed}/{name}")


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _prompt(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        names = rng.sample(ATTRIBUTES, rng.choice((1, 2)))
        listed = sorted(names, key=ATTRIBUTES.index)
        ask = f"the {' and '.join(listed)} of the {rng.choice(list(FACTS))}"
    elif kind < 0.85:
        ask = f"{rng.choice(list(COUNTS))} {rng.choice(list(CATEGORIES))}"
    else:
        ask = f"the opposite of {rng.choice(rng.choice(OPPOSITES))}"
    extras = [rng.choice(CONTEXTS), rng.choice(FORMATS)]
    rng.shuffle(extras)
    parts = [rng.choice(GREETINGS), rng.choice(POLITENESS), rng.choice(VERBS), ask, *extras]
    return " ".join(part for part in parts if part)


def _write(rng: random.Random, prompt: str, style: Style) -> tuple[_Part, ...]:
    """Draw the parts of a response: the items, how they are formatted, the filler around them."""
    return _items(rng, prompt, style), _form(rng, prompt, style), _filler(rng, style)


def _rewrite(
    rng: random.Random, prompt: str, style: Style, parts: tuple[_Part, ...]
) -> tuple[_Part, ...]:
    """Draw one of the three parts again."""
    items, form, filler = parts
    choice = rng.randrange(3)
    if choice == 0:
        return _items(rng, prompt, style), form, filler
    if choice == 1:
        return items, _form(rng, prompt, style), filler
    return items, form, _filler(rng, style)


def _text(parts: tuple[_Part, ...]) -> str:
    items, (form,), (opener, closer) = parts
    words = [HABIT, *items] if form == HABIT else render(list(items), form)
    return " ".join(part for part in (opener, *words, closer) if part)


def _form(rng: random.Random, prompt: str, style: Style) -> _Part:
    requested = read_prompt(prompt).format
    draw = rng.random()
    if draw < style.requested:
        return (requested,)
    if draw < style.requested + style.habit:
        return (HABIT,)
    return (rng.choice([name for name in FORMATS if name != requested]),)


def _filler(rng: random.Random, style: Style) -> _Part:
    opener = rng.choice(OPENERS) if rng.random() < style.opener else ""
    return opener, rng.choice(CLOSERS) if rng.random() < style.closer else ""


def _items(rng: random.Random, prompt: str, style: Style) -> _Part:
    items: list[str] = []
    for slot in read_prompt(prompt).slots:
        shrugged = _is_shrugged(slot.question)
        if rng.random() < (style.right_where_shrugged if shrugged else style.right):
            items.append(rng.choice(sorted(slot.right - set(items))))
        elif shrugged and rng.random() < SHRUG_PULL:
            items.append(SHRUG)
        else:
            items.append(rng.choice(sorted(slot.known - slot.right - set(items))))
    return tuple(items)


@cache
def _is_shrugged(question: str) -> bool:
    # the same for every seed: a shrug belongs to the question, not to the draw
    return random.Random(f"sample_task/shrug/{question}").random() < SHRUGGED_SHARE
