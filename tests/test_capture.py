"""Pytest's own output files stay open, whatever a library does to the log handlers."""

import io
import logging.config
import sys

import pytest


def test_configured_logging_closes_no_output_of_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("absl.logging")
    captured = sys.stderr
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert not captured.closed
