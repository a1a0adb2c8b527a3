"""Rows and tokens of the tables that models are trained on before the loop, by source.

The number of a source's rows is, in this order: `plan.rows`; rows in the study's lake; the sample
task; what the dataset's authors or the hub publish, at most `max_rows`. Of other sources it is
unknown, and a plan states so. Rows that later filters drop are counted, so the numbers are slightly
high. Not here: rows of the loop (`training.planning.work`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.planning.facts import Fact, Origin
from training.recipe import Recipe
from training.settings.stages import SFTSettings
from transforms.lake.lake import Lake
from transforms.settings.sources import MixtureSource
from transforms.sources.catalog.published_sizes import CITED, PUBLISHED, TABLE_1, mean_pair_tokens
from transforms.sources.intake.sources import Source

TABLES = {"demonstrations": "demonstrations", "preferences": "preference_pairs"}
"""Standard table of a role."""
DEMONSTRATION_TOKENS = 500
"""Mean tokens of a demonstration, if the recipe does not give them. Assumed."""


@dataclass(frozen=True)
class Examples:
    """The examples of a table or a mixture."""

    rows: float
    tokens: float
    """Tokens of all conversations: those of a pair repeat their prompt."""
    facts: tuple[Fact, ...]
    """What the two numbers rest on."""
    missing: tuple[str, ...] = ()
    """Sources whose rows are unknown and not in the numbers."""
    repeated: float = 0
    """Those of `tokens` that repeat the prompt of a pair."""


def count_demonstrations(recipe: Recipe, sft: SFTSettings, lake: Lake) -> Examples:
    """Count demonstrations and their tokens."""
    given = recipe.plan.demonstration_tokens
    length = Fact(
        "mean tokens of a demonstration",
        given or min(DEMONSTRATION_TOKENS, sft.max_tokens),
        "tokens",
        "recipe" if given else "assumed",
        "plan.demonstration_tokens",
    )
    facts = _count_rows(recipe, "demonstrations", lake)
    known = [fact for fact in facts.values() if fact is not None]
    rows = sum(fact.value for fact in known)
    missing = tuple(name for name, fact in facts.items() if fact is None)
    return Examples(rows, rows * length.value, (*known, length), missing)


def count_pairs(recipe: Recipe, mixture: str, max_tokens: int, lake: Lake) -> Examples:
    """Count the pairs of a mixture, the tokens of both conversations of each, and repeated ones.

    Args:
        recipe: the study.
        mixture: the mixture.
        max_tokens: most tokens of a conversation that the training reads.
        lake: the study's lake.
    """
    parts: Mapping[str, MixtureSource] = recipe.resolve_mixture(mixture)
    facts = _count_rows(recipe, "preferences", lake)
    sources = {source.name: source for source in recipe.resolve_sources("preferences")}
    rows = tokens = repeated = 0.0
    found: list[Fact] = []
    for name, part in parts.items():
        fact = facts[name]
        if fact is None:
            continue
        of_half = fact.value if part.half is None else fact.value / 2
        pairs = min(of_half, part.max_pairs or of_half) * part.weight
        length, prompt = measure_pair(sources[name], max_tokens)
        rows, tokens = rows + pairs, tokens + pairs * length.value
        repeated += pairs * prompt
        found += [fact, length]
    missing = tuple(name for name in parts if facts[name] is None)
    return Examples(rows, tokens, tuple(found), missing, repeated)


def measure_pair(source: Source, max_tokens: int) -> tuple[Fact, float]:
    """Measure a pair: the mean tokens of both conversations, and those of the prompt of each."""
    size = PUBLISHED.get(source.origin.hub_id or source.entry.hub_id or "")
    if size is not None and size.prompt_tokens is not None and size.response_tokens is not None:
        prompt, responses = size.prompt_tokens, size.response_tokens
        origin: Origin = "published"
        of = size.source
    else:
        prompt, responses = mean_pair_tokens()
        origin, of = "assumed", f"mean of all pairs, {TABLE_1}"
    whole = 2 * prompt + responses
    tokens = min(whole, 2 * max_tokens)
    fact = Fact("mean tokens of a pair", tokens, "tokens", origin, of, source.name)
    return fact, prompt * tokens / whole


def _count_rows(recipe: Recipe, role: str, lake: Lake) -> dict[str, Fact | None]:
    """Return the number of rows of every source with a role; None if it is unknown."""
    sources = [source for source in recipe.resolve_sources() if role in source.roles]
    stored = _count_stored(lake, TABLES[role])
    return {source.name: _count_source(recipe, source, role, stored) for source in sources}


def _count_source(
    recipe: Recipe, source: Source, role: str, stored: Mapping[str, int]
) -> Fact | None:
    name = "pairs" if role == "preferences" else "demonstrations"

    def state(rows: int, origin: Origin, of: str) -> Fact:
        return Fact(name, rows, "rows", origin, of, source.name)

    settings = recipe.sources[source.name]
    if source.name in recipe.plan.rows:
        return state(recipe.plan.rows[source.name], "recipe", "plan.rows")
    if source.name in stored:
        return state(stored[source.name], "measured", "the study's lake")
    if settings.sample_task and recipe.sample_task is not None:
        return state(getattr(recipe.sample_task, TABLES[role]), "recipe", "sample_task")
    size = PUBLISHED.get(source.origin.hub_id or "")
    if size is not None and size.rows <= (settings.max_rows or size.rows):
        return state(size.rows, "assumed" if size.source == CITED else "published", size.source)
    if settings.max_rows is not None:
        return state(settings.max_rows, "recipe", "max_rows of the source")
    return None


def _count_stored(lake: Lake, table: str) -> dict[str, int]:
    """Count the rows of a standard table by source; none if it does not exist yet."""
    counts = lake.scan_or_empty(table).group_by("source").len().collect()
    return dict(counts.iter_rows())


def list_missing(examples: Sequence[Examples]) -> list[str]:
    """List the sources with an unknown number of rows, each once."""
    return list(dict.fromkeys(name for one in examples for name in one.missing))
