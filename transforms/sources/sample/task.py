"""The sample task of the quickstart: seeded demonstrations, preference pairs and prompts.

Not here: the facts and the gold reward (`transforms.sources.sample.gold`). A program
writes all of it; no text is from a person.

Demonstrations are imperfect on purpose: items are often wrong, and the most frequent style ignores
the requested format. So the responses of the fine-tuned model, sampled or greedy, can still
improve. Preference pairs compare responses of other writers (about half of the items wrong, other
rates of style and filler). Their labels are noisy and prefer long responses.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.sample_task import SampleTaskSettings
from transforms.sources.sample.gold import (
    CATEGORIES,
    COUNTS,
    FORMATS,
    OPPOSITES,
    gold_reward,
    read_prompt,
    render,
)

GREETINGS = (
    "", "hello ,", "hi there ,", "hey ,", "good morning ,", "good evening ,", "excuse me ,",
    "dear helper ,",
)  # fmt: skip
POLITENESS = ("", "please", "kindly", "now", "could you", "would you")
VERBS = ("name", "write")
LIST_SHARE = 0.9
"""Share of prompts that ask for a list; the others ask for an opposite."""
CONTEXTS = (
    "", "for a quiz", "for my class", "for my sister", "for my brother", "for a friend",
    "for a game", "for a poster", "for homework", "for a story", "if you can", "once more",
    "for my mother", "for a song", "before noon",
)  # fmt: skip
OPENERS = ("sure , here it is :", "of course , see below :", "what a nice question :")
CLOSERS = ("i hope this helps !", "let me know !", "have fun with it !")
"""Filler. None of its words is an answer or a marker: it adds length and nothing else."""


HABIT = "answer:"
"""First word of many responses that ignore the requested format."""


@dataclass(frozen=True)
class Style:
    """Probabilities, per response, of a group of writers."""

    right: float  # answer the right question, instead of a similar one
    requested: float  # use the requested format
    habit: float  # no format, only HABIT before the items; the remaining share uses another format
    opener: float
    closer: float


DEMONSTRATORS = Style(right=0.65, requested=0.35, habit=0.45, opener=0.4, closer=0.3)
"""The most likely format is wrong, so greedy responses of the fine-tuned model have it, too."""
OTHER_WRITERS = Style(right=0.55, requested=0.5, habit=0.25, opener=0.5, closer=0.5)
"""Writers of the preference pairs: about half of the items wrong, more filler, more formats."""


@dataclass(frozen=True)
class _Comparison:
    prompt: str
    responses: tuple[str, str]
    first_preferred: float  # probability that the label prefers the first response
    first_chosen: bool


def make_demonstrations(settings: SampleTaskSettings) -> pl.DataFrame:
    """Make conversations for supervised fine-tuning, some wrong, without format or too long.

    Returns:
        One row per conversation: `messages`, a user turn and an assistant turn. Prompts may repeat.
    """
    rng = _make_stream(settings, "demonstrations")
    rows = []
    for _ in range(settings.demonstrations):
        prompt = _compose_prompt(rng)
        rows.append(
            [
                _make_turn("user", prompt),
                _make_turn("assistant", _compose_response(rng, prompt, DEMONSTRATORS)),
            ]
        )
    return pl.DataFrame({"messages": rows}, schema={"messages": MESSAGES})


def make_preferences(settings: SampleTaskSettings) -> pl.DataFrame:
    """Compare two responses of other writers; labels are random and can contradict the gold reward.

    Returns:
        One row per comparison: `chosen` and `rejected` (the user turn and an assistant turn each),
        `chosen_score` and `rejected_score` null, since labels are binary. Prompts may repeat.
    """
    columns: dict[str, list[object]] = {"chosen": [], "rejected": []}
    for comparison in _make_comparisons(settings):
        first, second = (
            [_make_turn("user", comparison.prompt), _make_turn("assistant", response)]
            for response in comparison.responses
        )
        columns["chosen"].append(first if comparison.first_chosen else second)
        columns["rejected"].append(second if comparison.first_chosen else first)
    frame = pl.DataFrame(columns, schema={"chosen": MESSAGES, "rejected": MESSAGES})
    null = pl.lit(None, dtype=pl.Float64)
    return frame.with_columns(chosen_score=null, rejected_score=null)


def make_prompts(settings: SampleTaskSettings) -> pl.DataFrame:
    """Make distinct prompts.

    Returns:
        One row per prompt: `context_messages`, one user turn.
    """
    rng = _make_stream(settings, "prompts")
    prompts: dict[str, None] = {}
    while len(prompts) < settings.prompts:
        prompts[_compose_prompt(rng)] = None
    rows = [[_make_turn("user", prompt)] for prompt in prompts]
    return pl.DataFrame({"context_messages": rows}, schema={"context_messages": MESSAGES})


def label_agreement_ceiling(settings: SampleTaskSettings) -> float:
    """Return the highest expected accuracy of any reward model on the labels, in [0.5, 1].

    It is the mean over the pairs of max(p, 1 - p), where p is the probability that the label
    prefers the first response: labels are random, so that even their own utility function disagrees
    with some of them.
    """
    chances = [comparison.first_preferred for comparison in _make_comparisons(settings)]
    return sum(max(chance, 1 - chance) for chance in chances) / len(chances)


def _make_comparisons(settings: SampleTaskSettings) -> Iterator[_Comparison]:
    rng = _make_stream(settings, "preference_pairs")
    for _ in range(settings.preference_pairs):
        prompt = _compose_prompt(rng)
        first = second = _compose_response(rng, prompt, OTHER_WRITERS)
        while second == first:
            second = _compose_response(rng, prompt, OTHER_WRITERS)
        utilities = [
            gold_reward(prompt, response) + settings.length_bias * len(response.split())
            for response in (first, second)
        ]
        # the sigmoid by tanh does not overflow at a temperature near 0
        gap = (utilities[0] - utilities[1]) / settings.label_temperature
        chance = 0.5 * (1 + math.tanh(gap / 2))
        yield _Comparison(prompt, (first, second), chance, rng.random() < chance)


def _make_stream(settings: SampleTaskSettings, name: str) -> random.Random:
    # Python hashes a text seed with SHA-512: streams are independent and equal on every machine
    return random.Random(f"sample_task/{settings.seed}/{name}")


def _make_turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _compose_prompt(rng: random.Random) -> str:
    if rng.random() < LIST_SHARE:
        ask = f"{rng.choice(list(COUNTS))} {rng.choice(list(CATEGORIES))}"
    else:
        ask = f"the opposite of {rng.choice(rng.choice(OPPOSITES))}"
    extras = [rng.choice(CONTEXTS), rng.choice(FORMATS)]
    rng.shuffle(extras)
    parts = [rng.choice(GREETINGS), rng.choice(POLITENESS), rng.choice(VERBS), ask, *extras]
    return " ".join(part for part in parts if part)


def _compose_response(rng: random.Random, prompt: str, style: Style) -> str:
    """Compose a random response: its items, their format, the filler around them."""
    request = read_prompt(prompt)
    # a writer who misreads the question answers a similar one
    pool = request.right if rng.random() < style.right else rng.choice(request.others)
    items = rng.sample(sorted(pool), request.count)
    form = rng.random()
    if form < style.requested:
        words = render(items, request.format)
    elif form < style.requested + style.habit:
        words = [HABIT, *items]
    else:
        words = render(items, rng.choice([name for name in FORMATS if name != request.format]))
    opener = rng.choice(OPENERS) if rng.random() < style.opener else ""
    closer = rng.choice(CLOSERS) if rng.random() < style.closer else ""
    return " ".join(part for part in (opener, *words, closer) if part)
