from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.cli.app import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def home(tiny_overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished quickstart at a size for tests, with its two experiments."""
    home = tmp_path_factory.mktemp("study")
    settings = [word for override in tiny_overrides for word in ("--set", override)]
    experiments = ["--experiment", "iterative", "--experiment", "raft_concise"]
    words = ["run", str(ROOT / "recipes/quickstart.yaml"), *experiments, "--home", str(home)]
    ran = CliRunner().invoke(app, [*words, *settings], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return home
