import pytest

from transforms.errors import InputError
from transforms.settings.overrides import flatten, merge, parse_overrides


def test_merge_replaces_leaves_and_keeps_the_rest() -> None:
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_merge_replaces_lists_and_null() -> None:
    assert merge({"a": [1, 2], "b": None}, {"a": [3], "b": {"c": 1}}) == {"a": [3], "b": {"c": 1}}


def test_words_become_one_nested_override_and_the_last_one_wins() -> None:
    words = ["a.b=1", "a.c=[x, y]", "a.b={d: null}", "e="]
    assert parse_overrides(words) == {"a": {"b": {"d": None}, "c": ["x", "y"]}, "e": None}


@pytest.mark.parametrize("word", ["a.b", "=1", "a..b=1", ".a=1"])
def test_a_word_of_another_form_is_refused(word: str) -> None:
    with pytest.raises(InputError, match=r"key\.key=value"):
        parse_overrides([word])


def test_a_value_that_is_not_yaml_is_refused() -> None:
    for value in ("[1", "2020-13-45", "&a {b: *a}", "{c: 1, c: 2}"):
        with pytest.raises(InputError, match=r"value of a\.b"):
            parse_overrides([f"a.b={value}"])


def test_flatten_keeps_order_and_values() -> None:
    assert list(flatten({"b": {"c": 1, "a": [2]}, "a": None})) == [
        ("b.c", 1),
        ("b.a", [2]),
        ("a", None),
    ]
