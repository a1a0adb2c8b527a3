"""The command `prefloop export`: a model of the lake for transformers, vLLM and llama.cpp."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.cli.commands.models.options import ModelName
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import name_lake, open_lake

EXAMPLES = """
Examples:

\b
prefloop export iterative/2 my_policy
prefloop export 2fac4e5480 my_policy --dtype bfloat16
prefloop export sft_policy my_policy --gguf
"""


def export(
    model: ModelName,
    folder: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Type of the weights.", show_default="that of the checkpoint"),
    ] = None,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Also write model.gguf, for llama.cpp.")
    ] = False,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Export a model: weights, tokenizer, chat template, model card, record of its training."""
    from transforms.lake.asset_names import name_model
    from transforms.lake.records.checkpoints import fetch
    from transforms.lake.records.named_models import find_model
    from transforms.teardown import quiet_teardown
    from transforms.views.model_facts import describe_for_card

    with exit_on_bad_input():
        lake = open_lake(home)
        row = find_model(lake, model)
        record = describe_for_card(lake, row, name_lake(home))
        from training.export.model_folder import export_model

        quiet_teardown()
        export_model(fetch(lake, row).path, folder, record, dtype=dtype, gguf=gguf)
    typer.echo(f"{name_model(row['experiment'], row['asset'])} {row['checkpoint_id']} -> {folder}")
