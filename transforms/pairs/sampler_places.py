"""The response_index range of each sampler: together they number a prompt's responses 0..n-1.

Not here: the settings of a sampler (`training.settings.sampling`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl


class Draw(NamedTuple):
    """The responses of one sampler to every prompt."""

    sampler: int
    """Position in the recipe's list, from 0."""
    policy: str
    """`current`, `previous`, `initial`, or `step@<share>`."""
    first_index: int
    """response_index of its first response."""
    n: int
    temperature: float
    top_p: float


def number_samplers(samplers: Sequence[Mapping[str, Any]]) -> list[Draw]:
    """Assign response_index ranges to samplers, in their order.

    Args:
        samplers: policy, n, temperature, top_p of each.
    """
    draws: list[Draw] = []
    for sampler in samplers:
        first = draws[-1].first_index + draws[-1].n if draws else 0
        draws.append(Draw(len(draws), first_index=first, **sampler))
    return draws


def list_places(draws: Sequence[Draw]) -> pl.DataFrame:
    """List the responses that one engine samples for a prompt; it may serve only some samplers.

    Returns:
        drawn_index (0..m-1, the engine's own count), response_index, sampler, sampler_policy.
    """
    rows = [
        (draw.first_index + i, draw.sampler, draw.policy) for draw in draws for i in range(draw.n)
    ]
    schema = {"response_index": pl.Int32, "sampler": pl.Int32, "sampler_policy": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(drawn_index=pl.int_range(pl.len(), dtype=pl.Int32))
