"""`prefloop reproduce`: a real fine-tuning, recorded by hand, and done again."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.reproduce import read_training, retrain
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.runs.kept_checkpoints import locate_kept_folder
from training.settings.objectives import DPOSettings
from training.settings.stages import RewardModelSettings, SFTSettings
from training.sft import train_sft
from transforms.errors import InputError
from transforms.identity import derive_seed
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.schemas import schema_of

SFT = SFTSettings(learning_rate=1e-3, epochs=1, batch_size=4, micro_batch_size=4, max_tokens=32)


def demonstrations(*words: str) -> pl.DataFrame:
    rows = [
        {
            "row_key": f"{word}{n}",
            "source": "s",
            "messages": [
                {"role": "user", "content": f"say {word}"},
                {"role": "assistant", "content": f"{word} {n}"},
            ],
        }
        for word in words
        for n in range(4)
    ]
    return pl.DataFrame(rows, schema=schema_of("demonstrations"))


@pytest.fixture(scope="module")
def home(tiny_recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initial model and a policy trained on version 0 of `demonstrations`; there is a 1."""
    home = tmp_path_factory.mktemp("study")
    lake = Lake(home / "lake")
    rows = demonstrations("yes", "no")
    lake.overwrite("demonstrations", rows)
    folder = checkpoints.workspace(lake, "x", "shared")
    make_tiny_model(tiny_recipe.model.tiny, rows["messages"].to_list(), folder, seed=0)
    initial = record(lake, folder, asset="initial_model", settings={"seed": 3})
    run = train_sft(
        rows.select("row_key", "messages"),
        lake.root / "checkpoints" / initial,
        folder,
        SFT,
        seed=derive_seed(3, "sft_policy"),
        dtype="float32",
    )
    record(
        lake,
        folder,
        asset="sft_policy",
        parent_id=initial,
        settings={"sft": SFT.model_dump(mode="json"), "seed": 3, "dtype": "float32"},
        inputs={"initial_model": initial, "demonstrations": "demonstrations@0"},
        environment=json.dumps(run.environment),
    )
    lake.overwrite("demonstrations", demonstrations("other"))
    return home


def record(lake: Lake, folder: Path, *, settings=None, inputs=None, **row) -> str:
    row = {"experiment": "shared", "iteration": 0, "kind": "causal_lm", "parent_id": "",
           "reference_id": "", "checkpoint_id": hash_checkpoint(folder), **row}  # fmt: skip
    texts = {"settings": json.dumps(settings or {}), "inputs": json.dumps(inputs or {})}
    return checkpoints.record(lake, folder, **row, **texts).checkpoint_id


def reproduce(home: Path, *words: str):
    command = ["reproduce", *words, "--home", str(home)]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def row_of(home: Path, asset: str) -> dict:
    return Lake(home / "lake").read("checkpoints", asset=asset).row(0, named=True)


def test_the_recorded_version_trains_the_same_weights_and_the_lake_is_only_read(home, tmp_path):
    lake = Lake(home / "lake")
    recorded = row_of(home, "sft_policy")["checkpoint_id"]
    before = {file: file.stat().st_mtime_ns for file in lake.root.rglob("*")}
    done = reproduce(home, recorded[:8], "--keep", str(tmp_path / "again"))
    assert done.exit_code == 0, done.output
    assert "8 rows of demonstrations@0" in done.stdout
    assert done.stdout.splitlines()[-1] == "equal"
    assert hash_checkpoint(tmp_path / "again") == recorded
    assert {file: file.stat().st_mtime_ns for file in lake.root.rglob("*")} == before
    assert "exists" in reproduce(home, recorded, "--keep", str(tmp_path / "again")).stderr


def test_other_weights_are_told_and_exit_with_1(home, tmp_path):
    other = Lake(tmp_path / "lake")
    (tmp_path / "lake" / "checkpoints").mkdir(parents=True)
    for folder in (home / "lake" / "checkpoints").iterdir():
        (other.root / "checkpoints" / folder.name).symlink_to(folder)
    other.overwrite("demonstrations", demonstrations("yes", "yes"))
    other.append("checkpoints", Lake(home / "lake").read("checkpoints"))
    done = reproduce(tmp_path, row_of(home, "sft_policy")["checkpoint_id"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "NOT equal"


@pytest.mark.parametrize("rows", ["the same", "others"])
def test_other_weights_of_another_environment_are_not_comparable(home, tmp_path, rows):
    other = Lake(tmp_path / "lake")
    (tmp_path / "lake" / "checkpoints").mkdir(parents=True)
    for folder in (home / "lake" / "checkpoints").iterdir():
        (other.root / "checkpoints" / folder.name).symlink_to(folder)
    words = ("yes", "no") if rows == "the same" else ("yes", "yes")
    other.overwrite("demonstrations", demonstrations(*words))
    environment = json.loads(row_of(home, "sft_policy")["environment"])
    threads = environment["threads"]
    recorded = json.dumps(environment | {"threads": threads + 1, "trl": "0.1"})
    trained = Lake(home / "lake").read("checkpoints")
    other.append("checkpoints", trained.with_columns(environment=pl.lit(recorded)))
    done = reproduce(tmp_path, row_of(home, "sft_policy")["checkpoint_id"])
    if rows == "the same":
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "equal")
    else:
        assert done.exit_code == 3
        assert done.stdout.splitlines()[-1] == (
            f"not comparable: other threads ({threads + 1} recorded, {threads} here), "
            f"other trl (0.1 recorded, {environment['trl']} here)"
        )


def test_a_model_that_was_not_trained_or_is_unknown_is_refused(home):
    refused = reproduce(home, row_of(home, "initial_model")["checkpoint_id"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "initial_model was not trained" in refused.stderr
    assert reproduce(home, "0000000").exit_code == 2


def test_a_damaged_parent_is_refused(home, tmp_path):
    lake = Lake(tmp_path)
    lake.overwrite("demonstrations", demonstrations("yes"))
    row = row_of(home, "sft_policy")
    lake.append("checkpoints", Lake(home / "lake").read("checkpoints"))
    with pytest.raises(InputError, match="is missing or changed"):
        read_training(lake, row)


@pytest.mark.parametrize(
    ("changes", "data", "prompts"),
    [
        ({"asset": "iteration_2/policy", "experiment": "a", "iteration": 2}, "current", ["r"]),
        ({"asset": "iteration_2/policy", "experiment": "a", "iteration": 2}, "accumulated",
         ["p", "q", "r"]),
        ({"asset": "one_shot/policy", "experiment": "shared", "iteration": 0}, "current", ["o"]),
    ],
)  # fmt: skip
def test_dpo_reads_its_slice_of_the_recorded_version(home, changes, data, prompts):
    lake = Lake(home / "lake")
    turn = [{"role": "assistant", "content": "x"}]
    slices = [("a", 1, "q"), ("a", 1, "p"), ("a", 2, "r"), ("b", 2, "s"), ("one_shot", 1, "o")]
    rows = [
        {"experiment": e, "iteration": t, "prompt_id": p, "prompt": turn, "chosen": turn}
        for e, t, p in slices
    ]
    version = lake.overwrite("dpo_pairs", pl.DataFrame(rows, schema=schema_of("dpo_pairs")))
    lake.overwrite("dpo_pairs", pl.DataFrame(rows[:1], schema=schema_of("dpo_pairs")))
    initial = row_of(home, "initial_model")["checkpoint_id"]
    dpo = DPOSettings(beta=0.3)
    row = {
        "checkpoint_id": "c", "parent_id": initial, "reference_id": initial,
        "settings": json.dumps(
            {"dpo": dpo.dump_decisive(), "data": data, "seed": 5, "dtype": "float32"}
        ),
        "inputs": json.dumps({"earlier": "dpo_pairs@0", "last": f"dpo_pairs@{version}"}),
        **changes,
    }  # fmt: skip
    found = read_training(lake, row)
    assert found.rows["prompt_id"].to_list() == prompts
    assert (found.stage.name, found.settings, found.seed) == (
        "dpo", dpo, derive_seed(5, changes["asset"]),
    )  # fmt: skip
    assert found.models == {"start": lake.root / "checkpoints" / initial}


def preference_pairs() -> pl.DataFrame:
    """Eight pairs; yes is preferred to no."""
    return pl.DataFrame(
        [
            {"pair_id": f"{n}", "prompt_id": f"{n}", "source": "s", "row_key": f"{n}",
             "split": "train",
             "prompt": [{"role": "user", "content": "say yes" if n % 2 else "say no"}],
             "chosen": [{"role": "assistant", "content": f"yes {n % 4}"}],
             "rejected": [{"role": "assistant", "content": f"no {n % 3}"}]}
            for n in range(8)
        ],
        schema=schema_of("preference_pairs"),
    )  # fmt: skip


@pytest.mark.parametrize("stage", [pytest.param("reward_model", marks=pytest.mark.slow), "dpo"])
def test_rankers_and_policies_are_trained_again_to_the_same_weights(home, stage):
    lake = Lake(home / "lake")
    pairs = preference_pairs()
    mixture = pairs.select("source", "pair_id", mixture=pl.lit("all"), copies=pl.lit(1, pl.Int32))
    splits = {"prompt_id": ["p"] * 8, "split": ["iteration_1"] * 8}
    inputs = {
        table: f"{table}@{lake.overwrite(table, rows)}"
        for table, rows in {
            "preference_pairs": pairs,
            "mixture_pairs": mixture,
            "prompt_splits": pl.DataFrame(splits),
        }.items()
    }
    sizes = {"batch_size": 4, "micro_batch_size": 4, "max_tokens": 32, "learning_rate": 1e-3}
    sizes |= {"kept_shares": (0.5,)} if stage == "dpo" else {}
    settings = {"reward_model": RewardModelSettings, "dpo": DPOSettings}[stage](**sizes)
    policy = row_of(home, "sft_policy")["checkpoint_id"]
    row = {
        "asset": f"some_{stage}", "experiment": "shared", "iteration": 0, "kind": "causal_lm",
        "checkpoint_id": "unknown", "parent_id": policy,
        "reference_id": policy if stage == "dpo" else "", "inputs": json.dumps(inputs),
        "settings": json.dumps(
            {stage: settings.dump_decisive(), "mixture": "all", "seed": 1, "dtype": "float32"}
        ),
    }  # fmt: skip
    training = read_training(lake, row)
    first = retrain(lake, training, home / f"{stage}_once")
    assert retrain(lake, training, home / f"{stage}_again") == first != policy
    if stage == "dpo":  # two steps an epoch, as one iteration of eight prompts would take
        assert training.settings.max_steps == 4
        half = retrain(lake, read_training(lake, row | {"asset": "some_dpo@0.5"}), home / "half")
        assert half == hash_checkpoint(locate_kept_folder(home / "dpo_once", 0.5)) != first
