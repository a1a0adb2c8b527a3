"""The model that a command names, and options of the commands that let a policy reply."""

from typing import Annotated

import typer

from transforms.formats import SHORTEST_ID

NAMES = (
    f"checkpoint_id ({SHORTEST_ID} digits or more), ASSET, EXPERIMENT/ASSET, EXPERIMENT/ITERATION "
    "or latest"
)
"""Names of a model in the help of commands; all: `transforms.lake.records.named_models.FORMS`."""

ModelName = Annotated[str, typer.Argument(help=f"{NAMES}.")]
Temperature = Annotated[
    float, typer.Option(min=0, help="Sampling temperature; 0: the likeliest token.")
]
TopP = Annotated[float, typer.Option(min=0.01, max=1, help="Probability mass sampled from.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the sampling; by default a new one.")]
