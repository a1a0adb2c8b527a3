"""Values on their way between a program and its tests."""

import collections
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.benchmarks.sandboxed.values import pack, unpack

KEYS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
VALUES = st.recursive(
    KEYS | st.floats(allow_nan=False) | st.frozensets(KEYS) | st.sets(KEYS),
    lambda some: st.lists(some) | st.tuples(some, some) | st.dictionaries(KEYS, some),
)


def refuse(*_):
    raise AssertionError("this value is plain")


def send(value):
    return unpack(json.loads(json.dumps(pack(value, refuse))), refuse)


@given(VALUES)
def test_a_plain_value_arrives_with_its_types(value):
    assert repr(send(value)) == repr(value) or send(value) == value
    assert type(send(value)) is type(value)


def test_a_subclass_arrives_as_its_plain_type():
    class Lies(int):
        __eq__ = __ne__ = lambda self, other: True

    assert send(Lies(3)) != 4
    for value, kind in ((collections.Counter("aab"), dict), (collections.UserString, None)):
        if kind:
            assert type(send(value)) is kind
    assert math.isnan(send(math.nan))
    assert send(int) is int


@pytest.mark.parametrize("value", [lambda: 0, object(), iter([]), range(2), refuse, json])
def test_another_object_becomes_a_reference(value):
    packed = pack([value], lambda found: ["object", 7])
    assert packed == ["list", [["object", 7]]]
    assert unpack(packed, lambda tag, reference: (tag, reference)) == [("object", 7)]


@pytest.mark.parametrize("packed", [["type", "exit"], ["type", "print"], ["type", "__doc__"]])
def test_only_a_type_is_found_by_its_name(packed):
    with pytest.raises(LookupError):
        unpack(packed, lambda tag, reference: {}[tag])


@pytest.mark.parametrize(
    "packed", [[], ["list"], ["list", 1], ["dict", [[1]]], ["bytes", [999]], ["complex", ["a", 1]]]
)
def test_what_is_not_a_value_is_an_error(packed):
    with pytest.raises((ValueError, TypeError)):
        unpack(packed, refuse)
