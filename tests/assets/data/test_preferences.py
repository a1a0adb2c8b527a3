from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.data import preferences
from assets.data.losses import LENGTH_CHECK
from assets.declare import asset_key
from assets.graph import build_definitions
from assets.resources import LakeResource
from assets.staleness import list_upstream
from assets.study import Study
from training.models.initial_model import make_tiny_model
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from transforms.errors import InputError
from transforms.identity import digest
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
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

    monkeypatch.setattr("transforms.prompts.collection.write_prompts", write_nothing)
    made = dg.materialize(
        preferences.build(Study(recipe)),
        selection=[asset_key("prompts")],
        resources={"lake": LakeResource(root=str(lake.root))},
    )
    page = made.asset_materializations_for_node("prompts")[0].metadata["searches"].value
    cells = [cell.strip() for cell in str(page).splitlines()[-1].strip("|").split("|")]
    assert cells == ["set", "3", "1", "1", "1"]


ROOM = ("loop.sampling.max_tokens=40", "loop.sampling.max_context_tokens=64")
SHORT, LONG = ({"role": "user", "content": "a " * words} for words in (17, 18))
"""With BOS and two role tokens, 20 and 21 tokens."""


def write_prompts(lake: Lake, turns: list[list[dict[str, str]]]) -> None:
    rows = [
        {"prompt_id": digest(str(number)), "source": "s", "prompt": prompt, "prompt_chars": 36}
        for number, prompt in enumerate(turns)
    ]
    frames = {"prompts": rows, "demonstrations": [], "preference_pairs": []}
    for asset, found in frames.items():
        version = lake.overwrite(asset, pl.DataFrame(found, schema=schema_of(asset)))
        output_id = f"{asset}@{version}"
        materializations.record(lake, asset=asset, experiment=SHARED, output_id=output_id)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with an initial model."""
    lake = Lake(tmp_path / "lake")
    settings = TinyModelSettings(hidden_size=32, intermediate_size=32, layers=1, heads=1)
    made = tmp_path / "made"
    make_tiny_model(settings, [[SHORT]], made, seed=0)
    row = {"asset": "initial_model", "experiment": SHARED}
    checkpoints.record(lake, made, checkpoint_id="model", kind="causal_lm", iteration=0, **row)
    materializations.record(lake, output_id="model", **row)
    return lake


def split(lake: Lake, recipe: Recipe) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        preferences.build(Study(recipe)),
        selection=[asset_key("prompt_splits")],
        resources={"lake": LakeResource(root=str(lake.root))},
    )


def test_prompts_without_room_for_a_response_are_in_no_split(
    make_tiny: Callable[..., Recipe], lake: Lake
) -> None:
    """By the smallest room of all experiments, so that all have the same prompts."""
    wide = "experiments={wide: {}, narrow: {sampling: {max_tokens: 44}}}"
    write_prompts(lake, [[LONG if number % 3 == 1 else SHORT] for number in range(300)])
    made = split(lake, make_tiny(*ROOM, wide))
    dropped = lake.read("dropped_rows").filter(reason="too_long")
    assert set(dropped["evidence"]) == {"21 tokens, at most 20"}
    long = {digest(str(number)) for number in range(1, 300, 3)}
    assert set(dropped["row_key"]) <= long
    assert long.isdisjoint(lake.read("prompt_splits")["prompt_id"])
    (check,) = (one for one in made.get_asset_check_evaluations() if one.check_name == LENGTH_CHECK)
    assert check.passed


def test_a_run_warns_if_half_of_the_prompts_are_too_long_and_stops_if_all_are(
    make_tiny: Callable[..., Recipe], lake: Lake
) -> None:
    recipe = make_tiny(*ROOM, "loop.sampling.max_tokens=44")
    write_prompts(lake, [[LONG if number % 4 else SHORT] for number in range(400)])
    made = split(lake, recipe)
    (check,) = (one for one in made.get_asset_check_evaluations() if one.check_name == LENGTH_CHECK)
    assert not check.passed
    assert "prompts are dropped: " in str(check.metadata["concern"].value)
    write_prompts(lake, [[LONG]] * 9)
    with pytest.raises(InputError, match=r"[1-9] of them too long"):
        split(lake, recipe)


def test_a_prompt_that_the_template_refuses_is_named_before_anything_is_trained(
    make_tiny: Callable[..., Recipe], lake: Lake
) -> None:
    system = {"role": "system", "content": "be brief"}
    write_prompts(lake, [[system, SHORT]] * 99)
    (template,) = (lake.root / "checkpoints").glob("*/chat_template.jinja")
    template.write_text(template.read_text().replace("['system', 'user'", "['user'"))
    with pytest.raises(InputError, match="turns system, user"):
        split(lake, make_tiny())


def test_prompts_are_split_before_the_first_training_which_does_not_read_them(
    tiny_recipe: Recipe,
) -> None:
    graph = build_definitions(tiny_recipe, Path("lake")).resolve_asset_graph()
    node = graph.get(asset_key("sft_policy"))
    assert asset_key("prompt_splits") in node.parent_keys
    assert list_upstream(node, "iterative") == ["demonstrations", "initial_model"]
