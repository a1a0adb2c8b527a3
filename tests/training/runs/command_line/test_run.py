import json
import sys

import pytest

from training.runs.command_line.run import REFUSED, run_command
from transforms.errors import InputError


def test_a_command_that_refuses_its_input_prints_the_error_without_a_traceback(capsys, monkeypatch):
    def main():
        raise InputError("rows are refused", expected="one", found="none", remedy="give one")

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert json.loads(printed.out.splitlines()[-1])[REFUSED]["what"] == "rows are refused"
    assert printed.err.splitlines()[0] == "rows are refused"
    assert "Traceback" not in printed.err
