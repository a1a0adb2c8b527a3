"""The home of a study: Dagster's settings for one person, and for a team."""

import pytest

from assets import home
from assets.home import INSTANCE, TEAM, prepare_home
from transforms.errors import InputError
from transforms.lake.locks import POSTGRES


def test_a_home_gets_the_settings_of_one_person(tmp_path, monkeypatch):
    monkeypatch.delenv(POSTGRES, raising=False)
    found = prepare_home(tmp_path / "home") / "dagster.yaml"
    assert found.read_text() == INSTANCE.read_text()


def test_with_a_database_a_home_gets_the_settings_of_a_team(tmp_path, monkeypatch):
    monkeypatch.setenv(POSTGRES, "postgresql+psycopg2://user@host/study")
    monkeypatch.setattr(home, "find_spec", lambda name: name)
    found = prepare_home(tmp_path / "home") / "dagster.yaml"
    assert found.read_text() == TEAM.read_text()
    assert "postgres_url: {env: PREFLOOP_POSTGRES}" in found.read_text()


def test_a_database_that_cannot_be_used_from_here_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(POSTGRES, "postgresql://user:secret@host/study")
    with pytest.raises(InputError, match=r"found: *postgresql://\n") as refused:
        prepare_home(tmp_path / "home")
    assert "secret" not in str(refused.value)
    monkeypatch.setenv(POSTGRES, "postgresql+psycopg2://user@host/study")
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"prefloop\[team\]"):
        prepare_home(tmp_path / "home")
    assert not (tmp_path / "home").exists()
