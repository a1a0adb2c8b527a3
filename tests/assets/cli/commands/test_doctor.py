import pytest
from typer.testing import CliRunner

from assets.cli import doctor
from assets.cli.app import app
from transforms.errors import InputError


@pytest.fixture
def run(monkeypatch):
    """Run the command without the checks of the machine, which load torch."""
    monkeypatch.setattr(doctor, "MACHINE", {})
    return lambda *words: CliRunner().invoke(app, ["doctor", *words])


def test_a_folder_is_safe_and_stays_as_it_was(run, tmp_path):
    result = run(str(tmp_path / "lake"))
    assert result.exit_code == 0, result.output
    assert "ok     store" in result.output
    assert "ok     locks" in result.output
    assert not (tmp_path / "lake" / "tables").exists()


def test_a_fault_is_printed_and_the_other_checks_run(run, tmp_path, monkeypatch):
    def fail() -> str:
        raise InputError("packages do not fit together", expected="a", found="b", remedy="do this")

    monkeypatch.setattr(doctor, "MACHINE", {"versions": fail})
    result = run(str(tmp_path))
    assert result.exit_code == 1
    assert "WRONG  versions: packages do not fit together" in result.output
    assert "do this" in result.output
    assert "ok     locks" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "code", "text"),
    [
        ("weed", 0, "one of 8 racing writers wins"),
        ("moto", 0, "one of 8 racing writers wins"),
        ("rclone", 1, "in which concurrent writers lose rows"),
    ],
)
def test_a_store_is_raced(run, make_address, server, code, text):
    result = run(make_address(server))
    assert (result.exit_code, text in result.output) == (code, True), result.output


@pytest.mark.slow
def test_wrong_credentials_are_named(run, make_address, monkeypatch):
    address = make_address("weed")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    result = run(address)
    assert result.exit_code == 1
    assert "AWS_SECRET_ACCESS_KEY" in result.output
    assert "Traceback" not in result.output
