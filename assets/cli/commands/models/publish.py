"""The command `prefloop publish`: an exported model with its card, and its push to a hub."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.cli.commands.models.options import ModelName
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import name_lake, open_lake

EXAMPLES = """
Examples:

\b
prefloop publish latest                                  # writes the folder, sends nothing
prefloop publish iterative/2 my_policy
HF_TOKEN=… prefloop publish iterative/2 my_policy --to my-name/my-policy
"""


def publish(
    model: ModelName,
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to write, new or empty; or one with the same model exported, whose card "
            "is written again. By default STUDY-EXPERIMENT-ASSET.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="OWNER/NAME of a model on the hub to push the folder to, with the token in the "
            "environment variable HF_TOKEN. HF_ENDPOINT names another hub."
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let everyone read a new repository.")
    ] = False,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Type of the weights.", show_default="that of the checkpoint"),
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Export a model with a model card of its data, settings, results and lineage; push it."""
    from transforms.lake.asset_names import name_model
    from transforms.lake.records.checkpoints import fetch
    from transforms.lake.records.named_models import find_model
    from transforms.teardown import quiet_teardown
    from transforms.views.model_facts import describe_for_card

    with exit_on_bad_input():
        from training.export.hub import push_folder, read_token

        token = read_token(to) if to else ""
        lake = open_lake(home)
        row = find_model(lake, model)
        record = describe_for_card(lake, row, name_lake(home))
        name = f"{record['study']}-{row['experiment']}-{row['asset'].replace('/', '-')}"
        place = folder or Path(name)
        from training.export.model_folder import export_model, renew_card

        quiet_teardown()
        if not renew_card(place, record, dtype):
            export_model(fetch(lake, row).path, place, record, dtype=dtype, gguf=False)
        typer.echo(
            f"{name_model(row['experiment'], row['asset'])} {row['checkpoint_id']} -> {place}"
        )
        if to:
            typer.echo(push_folder(place, to, token=token, public=public))
