"""A step reads the versions and models that its record names."""

import json
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from assets.declare import declare
from assets.materialize import Made, Step
from assets.resources import LakeResource
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas import schema_of
from transforms.lake.upkeep.maintenance import list_referred_versions

STUDY = SimpleNamespace(loop=lambda experiment: None, recipe=SimpleNamespace(loop=None))


def write_prompts(lake: Lake, prompt: str) -> str:
    rows = pl.DataFrame([{"prompt_id": prompt}], schema=schema_of("prompts"))
    return f"prompts@{lake.overwrite('prompts', rows)}"


def record(lake: Lake, asset: str, output_id: str) -> None:
    row = {"settings": "{}", "inputs": "{}", "run_id": "r", "elapsed_s": 0.0}
    materializations.record(lake, asset=asset, experiment="shared", output_id=output_id, **row)


def train(lake: Lake, asset: str, checkpoint_id: str) -> None:
    folder = checkpoints.workspace(lake, asset.partition("@")[0], "shared")
    folder.mkdir(parents=True)
    (folder / "weights").write_text(checkpoint_id)
    row = {"settings": "{}", "inputs": "{}", "iteration": 0, "kind": "causal_lm"}
    row |= {"parent_id": "", "reference_id": "", "checkpoint_id": checkpoint_id}
    checkpoints.record(lake, folder, asset=asset, experiment="shared", **row)


def run(lake: Lake, body) -> None:
    asset = declare(STUDY, "reader", group="g", deps=("prompts", "iteration_1/policy"))(body)
    dg.materialize([asset], resources={"lake": LakeResource(root=str(lake.root))})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Recorded prompts and a recorded policy with weights of the middle of its training."""
    lake = Lake(tmp_path)
    record(lake, "prompts", write_prompts(lake, "recorded"))
    train(lake, "iteration_1/policy@0.5", "half")
    train(lake, "iteration_1/policy", "whole")
    record(lake, "iteration_1/policy", "whole")
    return lake


def test_what_another_run_writes_in_between_is_neither_read_nor_recorded(lake):
    write_prompts(lake, "in progress")  # written, but its asset has not ended
    train(lake, "iteration_1/policy@0.5", "half of the next")
    train(lake, "iteration_1/policy", "next")
    found = {}

    def body(step: Step) -> Made:
        write_prompts(Lake(lake.root), "during the step")
        found["prompts"] = step.lake.read("prompts")["prompt_id"].to_list()
        found["policy"] = step.model("iteration_1/policy").checkpoint_id
        found["half"] = step.model("iteration_1/policy@0.5").checkpoint_id
        return Made("reader@0")

    run(lake, body)
    assert found == {"prompts": ["recorded"], "policy": "whole", "half": "half"}
    row = materializations.read_latest(lake)["reader", "shared"]
    assert json.loads(row["inputs"]) == {"prompts": "prompts@0", "iteration_1/policy": "whole"}


def test_an_asset_that_is_no_input_has_no_model(lake):
    def body(step: Step) -> Made:
        with pytest.raises(KeyError):
            step.model("reward_model")
        return Made("reader@0")

    run(lake, body)


def respond(lake: Lake, response: str) -> None:
    slice_ = {"experiment": "shared", "model": "sft_policy"}
    rows = pl.DataFrame(
        [{**slice_, "response": response}], schema=schema_of("evaluation_responses")
    )
    lake.overwrite("evaluation_responses", rows, **slice_)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_second_table_of_an_input_is_read_as_its_record_names_it(lake, resumed):
    """`resumed`: the rows are those of an interrupted run."""

    def write(step: Step) -> Made:
        respond(Lake(lake.root) if resumed else step.lake, "recorded")
        if resumed:
            step.lake.keep("evaluation_responses", experiment="shared", model="sft_policy")
        return Made("evaluation_results@3")

    found = []

    def read(step: Step) -> Made:
        respond(Lake(lake.root), "of another run")
        found.extend(step.lake.read("evaluation_responses")["response"])
        return Made("reader@0")

    written = declare(STUDY, "prompts", group="g")(write)
    dg.materialize([written], resources={"lake": LakeResource(root=str(lake.root))})
    run(lake, read)
    assert found == ["recorded"]
    row = materializations.read_latest(lake)["prompts", "shared"]
    slice_ = {"experiment": "shared", "model": "sft_policy"}
    assert json.loads(row["tables"]) == {"evaluation_responses@0": [slice_]}
    assert list_referred_versions(lake)["evaluation_responses"] == [0]
