"""The model card of an exported model: `README.md`, as Hugging Face's hub shows it.

Not here: the folder (`training.export.model_folder`), the record (`transforms.views.model_facts`),
the text (`card.md.jinja`), the push (`training.export.hub`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from training.export.hub import HUB_ID
from transforms.formats import shorten_id
from transforms.lake.records.named_models import POLICY
from transforms.lake.schemas.evaluation import DECODINGS
from transforms.settings.overrides import flatten
from transforms.views.page.cells import format_cell

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def write_card(folder: Path, record: Mapping[str, Any], *, gguf: bool) -> None:
    """Write the card of a model into its folder.

    Args:
        folder: the exported folder.
        record: the record of the model (`transforms.views.model_facts.describe_for_card`), and
            dtype.
        gguf: whether the folder contains `model.gguf`.
    """
    steps = record["steps"]
    rankers = {one["output_id"] for step in steps for one in step["inputs"]
               if "ranker" in one["relation"]}  # fmt: skip
    card = ModelCard.from_template(
        _list_metadata(record),
        template_path=str(TEMPLATE),
        record=record,
        is_policy=record["kind"] == POLICY,
        gguf=gguf,
        results=_tabulate_results(record["results"]),
        sources=[_describe_source(step, record["rows"]) for step in steps if _is_raw(step)],
        tables=[
            (step["asset"], record["rows"].get(step["output_id"]))
            for step in steps
            if "@" in step["output_id"] and not _is_raw(step)
        ],
        rankers=[step for step in steps if step["output_id"] in rankers],
        models=[
            (step["asset"], _list_settings(step["settings"]))
            for step in steps
            if "@" not in step["output_id"]
        ],
        cell=format_cell,
        short=shorten_id,
    )
    (folder / "README.md").write_text(str(card), encoding="utf-8")


def _list_metadata(record: Mapping[str, Any]) -> ModelCardData:
    """Return the metadata that the hub reads, benchmark results included."""
    is_policy, base = record["kind"] == POLICY, str(record["base_model"])
    task = "text-generation" if is_policy else "text-classification"
    results = [
        EvalResult(
            task_type=task,
            dataset_type=row["benchmark"],
            dataset_name=row["benchmark"],
            metric_type=row["metric"],
            metric_value=row["value"],
        )
        for row in record["benchmarks"]
        if row["value"] is not None
    ]
    return ModelCardData(
        library_name="transformers",
        pipeline_tag=task,
        base_model=base if HUB_ID.fullmatch(base) else None,
        tags=["prefloop"],
        model_name=f"{record['study']} {record['asset']}" if results else None,
        eval_results=results or None,
    )


def _tabulate_results(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the rows of the card's table: a metric, and its value and error by decoding."""
    table: dict[str, list[str]] = {}
    for row in sorted(results, key=lambda row: (row["versus"] is not None, row["versus"] or "")):
        label = row["metric"]
        if row["versus"] is not None:
            word = "over" if label.startswith("win_rate") else "minus that of"
            label = f"{label} {word} {row['versus']}"
        cells = table.setdefault(label, [""] * len(DECODINGS))
        cells[DECODINGS.index(row["decoding"])] = format_cell(row["value"], row["standard_error"])
    return list(table.items())


def _is_raw(step: Mapping[str, Any]) -> bool:
    return "entry" in step["settings"] and "origin" in step["settings"]


def _describe_source(step: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, Any]:
    """Describe the table of a source: name, catalogue entry, place, rows."""
    origin = step["settings"]["origin"]
    revision = f" at {origin['revision']}" if origin.get("revision") else ""
    place = f"{origin['hub_id']}{revision}" if origin.get("hub_id") else "files"
    if not origin.get("hub_id") and not origin.get("files"):
        place = "generated (sample task)"
    return {
        "name": step["asset"].removeprefix("raw_"),
        "entry": step["settings"]["entry"],
        "place": place,
        "rows": rows.get(step["output_id"]),
    }


def _list_settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in _list_set(settings)) or "none"


def _list_set(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that have a value."""
    return ((name, value) for name, value in flatten(settings) if value not in (None, [], {}))
