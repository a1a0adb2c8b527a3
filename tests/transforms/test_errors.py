import pickle

from transforms.errors import InputError


def test_an_error_crosses_processes_whole():
    error = InputError("the file is torn", expected="a whole one", found="half", remedy="copy it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "to do:    copy it" in str(error)
