"""The settings of any benchmark, told apart by which it is. Imports no torch.

Not here: the settings themselves (`training.settings.benchmarks`,
`training.settings.judged_benchmarks`).
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from training.settings.benchmarks import AcademicSettings
from training.settings.judged_benchmarks import (
    AlpacaEvalSettings,
    ArenaHardSettings,
    MTBenchSettings,
)
from transforms.settings.refusals import refusal

AnyBenchmark = Annotated[
    AcademicSettings | AlpacaEvalSettings | MTBenchSettings | ArenaHardSettings,
    Field(discriminator="benchmark"),
]
"""The settings of any benchmark, told apart by `benchmark`."""


def read_benchmark(name: str, keys: Mapping[str, Any]) -> AnyBenchmark:
    """Read the settings of one benchmark from keys, outside a recipe.

    Raises:
        InputError: an unknown key, or a value that is not allowed; all are listed.
    """
    try:
        return TypeAdapter(AnyBenchmark).validate_python(keys)
    except ValidationError as error:
        raise refusal(error, f"benchmark {name} is refused", model=AnyBenchmark) from None
