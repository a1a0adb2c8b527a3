"""What `prefloop plan` prints: tables in units for people, exit status, nothing cut."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from assets.cli import console
from assets.cli.app import app
from assets.cli.plan import print_numbers, show_memory, show_work
from training.planning.plan import make_plan
from training.planning.summary import sum_work
from training.recipe_file import load_recipe
from transforms.lake.lake import Lake
from transforms.lake.records.predicted_costs import predict_costs
from transforms.lake.schemas import schema_of

ROOT = Path(__file__).resolve().parents[3]
COSTS = pl.DataFrame(schema=schema_of("costs"))


def run(recipe: str, home: Path, *options: str) -> Result:
    arguments = ["plan", str(ROOT / "recipes" / recipe), "--home", str(home), *options]
    return CliRunner().invoke(app, arguments)


def test_the_8b_recipe_fits_into_its_gpus(tmp_path):
    found = run("llama3_8b.yaml", tmp_path, "--price-per-gpu-hour", "2.5")
    assert found.exit_code == 0
    printed = found.stdout
    assert printed.startswith("llama3_8b: meta-llama/Meta-Llama-3-8B, 8.03 B weights, on 8 x h100")
    assert "published  weights: 8,030,261,248 (config.json, meta-llama/Meta-Llama-3-8B)" in printed
    assert "published  pairs: 10 sources: 848,965 (paper, Table 1)" in printed
    assert (
        "assumed    share of the peak rate in training: 0.35 (plan.training_efficiency)" in printed
    )
    assert "at 2.5 per GPU-hour" in printed
    assert printed.index("reward_of_mix1") < printed.index("sft_policy") < printed.index("fits")


def test_a_stage_that_does_not_fit_ends_with_status_1_and_a_line(tmp_path):
    found = run("llama3_8b.yaml", tmp_path, "--gpu", "rtx4090")
    assert found.exit_code == 1
    lines = [line for line in found.stderr.splitlines() if line]
    assert any(line.startswith("prefloop: sft_policy does not fit: needs 24.7 GB per GPU, has 24.0")
               for line in lines)  # fmt: skip
    assert all(line.startswith("prefloop: ") for line in lines)


def test_the_recipe_with_adapters_fits_into_one_gpu_of_24_gb(tmp_path):
    recipe = ROOT / "recipes" / "qwen3_1_7b_lora.yaml"
    memory = make_plan(load_recipe(recipe), Lake(tmp_path)).tabulate_memory()
    assert set(memory["fits"]) == {"yes"}
    assert set(memory["available"]) <= {24e9, 0.9 * 24e9}
    whole = make_plan(load_recipe(recipe, ["loop.dpo.lora=null"]), Lake(tmp_path)).tabulate_memory()
    assert whole.filter(stage="dpo")["fits"].item() == "no"


def test_an_unknown_gpu_is_refused_with_the_known_ones(tmp_path):
    found = run("llama3_8b.yaml", tmp_path, "--gpu", "abacus")
    assert found.exit_code == 2
    assert "rtx4090" in found.stderr


def test_an_unknown_model_is_refused_with_the_way_to_give_its_numbers(tmp_path):
    found = run("llama3_8b.yaml", tmp_path, "--set", "model.path=org/model")
    assert found.exit_code == 2
    assert "plan.architecture" in found.stderr


def test_without_a_gpu_there_are_tokens_and_disk(tiny_overrides, tmp_path):
    words = [word for override in tiny_overrides for word in ("--set", override)]
    printed = run("quickstart.yaml", tmp_path, *words).stdout
    assert "nothing is measured" in printed
    assert "MB of disk with every checkpoint" in printed
    assert "GPU-hours" not in printed
    row = {"asset": "iteration_1/scores", "experiment": "iterative", "output_id": "scores@0",
           "elapsed_s": 2.5, "rows": 64, "bytes": 640}  # fmt: skip
    Lake(tmp_path / "lake").append("costs", pl.DataFrame([row], schema=schema_of("costs")))
    printed = run("quickstart.yaml", tmp_path, *words).stdout
    assert "actual_elapsed_s" in printed
    assert "2.500" in printed
    assert "not measured yet: sft_policy" in printed


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_nothing_is_cut_at_any_width(width, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "find_width", lambda: width)
    made = make_plan(load_recipe(ROOT / "recipes" / "llama3_8b.yaml"), Lake(tmp_path))
    sums = sum_work(predict_costs(made.tabulate(), COSTS), "stage")
    for shown in (show_work(sums, 3.0, 8), show_memory(made.tabulate_memory())):
        print_numbers(shown)
        printed = capsys.readouterr().out
        assert max(len(line.rstrip()) for line in printed.splitlines()) <= width
        cells = " ".join(printed.split())
        assert all(cell in cells for column in shown for cell in column.to_list())
        assert all(name in cells for name in shown.columns)
