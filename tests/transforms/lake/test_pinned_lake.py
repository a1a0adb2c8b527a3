"""The view of the lake in which inputs have their recorded versions."""

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake, WrittenSlice
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import read_pairs_between
from transforms.views.query import connect, query


def pairs(iteration: int, prompt: str, experiment: str = "e") -> pl.DataFrame:
    row = {"experiment": experiment, "iteration": iteration, "prompt_id": prompt}
    return pl.DataFrame([row], schema=schema_of("dpo_pairs"))


def write(lake: Lake, iteration: int, prompt: str, experiment: str = "e") -> str:
    rows = pairs(iteration, prompt, experiment)
    version = lake.overwrite("dpo_pairs", rows, experiment=experiment, iteration=iteration)
    return f"dpo_pairs@{version}"


@pytest.fixture
def lake(any_lake) -> Lake:
    return any_lake


def test_an_input_is_read_at_its_recorded_version_however_it_is_read(lake):
    recorded = write(lake, 1, "recorded")
    view = PinnedLake(lake.root, {"iteration_1/dpo_pairs": recorded, "sft_policy": "abcdef"})
    write(lake, 1, "newer")
    write(lake, 1, "other", experiment="f")
    assert view.read("dpo_pairs")["prompt_id"].to_list() == ["recorded"]
    assert view.read("dpo_pairs", experiment="f").is_empty()
    assert [frame["prompt_id"].item() for frame in view.read_frames("dpo_pairs")] == ["recorded"]
    assert (view.version("dpo_pairs"), view.height("dpo_pairs")) == (0, 1)
    assert view.live.height("dpo_pairs") == 2
    assert view.read("dpo_pairs", 2).height == 2
    assert view.pinned == {"dpo_pairs": 0}


def test_each_iteration_is_read_at_its_own_version(lake):
    first = write(lake, 1, "first")
    write(lake, 1, "rewritten, and not recorded yet")
    inputs = {"iteration_1/dpo_pairs": first, "iteration_2/dpo_pairs": write(lake, 2, "second")}
    write(lake, 2, "rewritten later")
    view = PinnedLake(lake.root, inputs)
    read = read_pairs_between(view, experiment="e", first_iteration=1, iteration=2)
    assert read["prompt_id"].to_list() == ["first", "second"]
    assert view.pinned == {"dpo_pairs": 2}


@pytest.mark.parametrize("way", ["overwrite", "append", "frames", "delete"])
def test_a_table_that_the_asset_writes_is_live(lake, way):
    view = PinnedLake(lake.root, {"iteration_1/dpo_pairs": write(lake, 1, "a")})
    write(lake, 2, "b")
    assert view.read("dpo_pairs")["prompt_id"].to_list() == ["a"]
    key = {"experiment": "e", "iteration": 3}
    if way == "overwrite":
        view.overwrite("dpo_pairs", pairs(3, "c"), **key)
    elif way == "append":
        view.append("dpo_pairs", pairs(3, "c"))
    elif way == "frames":
        with view.overwrite_frames("dpo_pairs", pl.Schema(schema_of("dpo_pairs")), **key) as put:
            put(pairs(3, "c"))
    else:
        view.delete("dpo_pairs", **key)
    assert set(view.read("dpo_pairs")["prompt_id"]) == {"a", "b"} | (
        set() if way == "delete" else {"c"}
    )
    assert lake.read("dpo_pairs").height == view.height("dpo_pairs")


def respond(lake: Lake, experiment: str, model: str, response: str) -> WrittenSlice:
    """Replace a model's rows of a table that no output id names."""
    slice_ = {"experiment": experiment, "model": model}
    row = {**slice_, "response": response}
    rows = pl.DataFrame([row], schema=schema_of("evaluation_responses"))
    version = lake.overwrite("evaluation_responses", rows, **slice_)
    return WrittenSlice("evaluation_responses", version, slice_)


def read_responses(lake: Lake, **slice_: str) -> list[str]:
    return sorted(lake.read("evaluation_responses", **slice_)["response"])


def test_each_slice_of_a_table_is_read_at_the_version_of_the_asset_that_wrote_it(lake):
    baseline = respond(lake, "shared", "sft_policy", "baseline")
    respond(lake, "shared", "sft_policy", "baseline, not recorded yet")
    policy = respond(lake, "e", "policy", "policy")
    respond(lake, "e", "policy", "policy, rewritten")
    respond(lake, "e", "other", "of no input")
    inputs = {"baseline_evaluation": "evaluation_results@7", "evaluation": "evaluation_results@9"}
    written = {"baseline_evaluation": [baseline], "evaluation": [policy]}
    view = PinnedLake(lake.root, inputs, written)
    assert read_responses(view, experiment="shared", model="sft_policy") == ["baseline"]
    assert read_responses(view, experiment="e", model="policy") == ["policy"]
    assert read_responses(view, experiment="e") == ["of no input", "policy"]
    assert read_responses(view) == ["baseline", "of no input", "policy"]
    with connect(view) as connection:
        found = query(connection, "select response from evaluation_responses order by all")
    assert found["response"].to_list() == ["baseline", "of no input", "policy"]


def test_a_write_leaves_the_slices_of_inputs_at_their_versions(lake):
    written = {"baseline_evaluation": [respond(lake, "shared", "sft_policy", "baseline")]}
    view = PinnedLake(lake.root, {"baseline_evaluation": "evaluation_results@7"}, written)
    respond(lake, "shared", "sft_policy", "rewritten")
    respond(view, "e", "policy", "own")
    assert read_responses(view) == ["baseline", "own"]
    respond(view, "shared", "sft_policy", "own, too")
    assert read_responses(view) == ["own", "own, too"]


def test_what_is_listed_is_what_the_asset_replaced_or_kept(lake):
    respond(lake, "e", "policy", "of an interrupted run")
    view = PinnedLake(lake.root, {})
    view.keep("evaluation_responses", experiment="e", model="policy")
    respond(view, "e", "next", "own")
    view.append("dpo_pairs", pairs(1, "a"))
    assert view.list_written() == [
        WrittenSlice("evaluation_responses", 1, {"experiment": "e", "model": model})
        for model in ("policy", "next")
    ]


def test_rows_of_several_versions_are_in_the_order_in_which_they_were_written(lake):
    first = respond(lake, "e", "a", "1")
    respond(lake, "e", "b", "2")
    respond(lake, "e", "a", "3")
    view = PinnedLake(lake.root, {}, {"evaluation": [first]})
    assert view.read("evaluation_responses")["response"].to_list() == ["1", "2"]
