import pytest
from pydantic import TypeAdapter, ValidationError

from transforms.settings.names import LONGEST, Name


@pytest.mark.parametrize("name", ["a", "hh_rlhf", "mix1", "a" * LONGEST])
def test_names_of_tables_and_folders_are_allowed(name):
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "A", "Iterative", "a b", "a-b", "a.b", "a/b", "../a", "a'b", 'a"b', "é", "1a", "_a",
     "a\n", "a" * (LONGEST + 1)],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(ValidationError, match="lower-case letter"):
        TypeAdapter(Name).validate_python(name)
