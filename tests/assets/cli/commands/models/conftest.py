"""A study of hand-written records with the weights of two policies."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import polars as pl
import pytest

from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

FIXTURES = Path(__file__).parents[4] / "transforms" / "views" / "lineage" / "conftest.py"
TALK = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies sft_policy and a/iteration_2/policy, which is selected."""
    spec = spec_from_file_location("lineage_records", FIXTURES)
    records = module_from_spec(spec)
    spec.loader.exec_module(records)
    home = tmp_path_factory.mktemp("homes") / "colours"
    lake = Lake(home / "lake")
    for table, rows in records.record_tables().items():
        lake.append(table, rows)
    selected = {"experiment": "a", "model": "iteration_2/policy", "value": 1.0}
    lake.append(
        "selected_policies", pl.DataFrame([selected], schema=schema_of("selected_policies"))
    )
    settings = TinyModelSettings(
        layers=1, hidden_size=32, heads=1, intermediate_size=32, context_tokens=64
    )
    for seed, name in enumerate((records.TWO, records.SFT)):
        make_tiny_model(settings, TALK, home / "lake" / "checkpoints" / name, seed=seed)
    return home
