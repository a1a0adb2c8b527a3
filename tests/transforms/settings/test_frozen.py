from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from transforms.settings.frozen import Settings


class Oven(Settings):
    degrees: float = 180.0
    trays: int | None = None
    share: Annotated[float, Field(ge=0)] = 1.0
    name: str = "oven"
    light: bool = False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("degrees", float("inf")),
        ("degrees", float("nan")),
        ("degrees", True),
        ("degrees", "hot"),
        ("degrees", ""),
        ("degrees", "inf"),
        ("trays", True),
        ("trays", "3"),
        ("trays", "010"),
        ("trays", 1.5),
        ("share", False),
    ],
)
def test_what_is_no_number_is_refused(key, value):
    with pytest.raises(ValidationError) as error:
        Oven(**{key: value})
    (problem,) = error.value.errors()
    assert problem["loc"] == (key,)
    assert repr(problem["input"]) == repr(value)


def test_numbers_that_yaml_reads_as_texts_are_numbers():
    oven = Oven.model_validate({"degrees": "2e2", "trays": None, "light": True, "name": "5"})
    assert (oven.degrees, oven.trays, oven.light, oven.name) == (200.0, None, True, "5")


def test_every_problem_is_listed():
    with pytest.raises(ValidationError) as error:
        Oven.model_validate({"degrees": True, "trays": "3", "names": 1, "share": -1})
    assert len(error.value.errors()) == 4


@given(st.dictionaries(st.sampled_from([*Oven.model_fields]), st.floats() | st.text() | st.none()))
def test_settings_are_made_again_from_what_they_contain(keys):
    try:
        oven = Oven.model_validate(keys)
    except ValidationError:
        return
    assert Oven.model_validate(oven.model_dump()) == oven
