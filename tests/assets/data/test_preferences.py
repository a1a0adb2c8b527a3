from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.data import preferences
from assets.declare import asset_key
from assets.resources import LakeResource
from assets.study import Study
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED


def test_the_page_of_the_prompts_has_how_they_were_searched(
    make_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake")
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    texts = [(long, "a"), ("Which planet is the largest one?", "b"), ("Who are you?", "c")]
    rows = [{"evaluation_set": "set", "item": item, "text": text} for text, item in texts]
    lake.overwrite("evaluation_texts", pl.DataFrame(rows, schema=schema_of("evaluation_texts")))
    recipe = make_tiny()
    for source in recipe.resolve_sources("prompts"):
        raw = f"raw_{source.name}"
        materializations.record(lake, asset=raw, experiment=SHARED, output_id=f"{raw}@0")

    def write_nothing(lake: Lake, *_: object, screened: bool) -> None:
        for name in ("prompts", "dropped_rows", "source_rows"):
            lake.overwrite(name, pl.DataFrame(schema=schema_of(name)))

    monkeypatch.setattr(preferences, "write_prompts", write_nothing)
    made = dg.materialize(
        preferences.build(Study(recipe)),
        selection=[asset_key("prompts")],
        resources={"lake": LakeResource(root=str(lake.root))},
    )
    page = made.asset_materializations_for_node("prompts")[0].metadata["searches"].value
    cells = [cell.strip() for cell in str(page).splitlines()[-1].strip("|").split("|")]
    assert cells == ["set", "3", "1", "1", "1"]
