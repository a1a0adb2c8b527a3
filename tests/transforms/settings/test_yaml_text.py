import pytest
import yaml

from transforms.settings.yaml_text import read_yaml


def test_yaml_is_read() -> None:
    assert read_yaml("a: &a {b: 1}\nc: {<<: *a, b: 2}\nd: [*a]\ne: {a: 2}") == {
        "a": {"b": 1},
        "c": {"b": 2},
        "d": [{"b": 1}],
        "e": {"a": 2},
    }
    assert read_yaml("") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x: 1\ny: 2\nx: 2", "key x is there twice"),
        ("x:\n  y: {b: 1,\n b: 1}", "key b is there twice"),
        ("x: 1\ny: 2\na: &a {b: *a}", "recursive"),
        ("x: 1\ny: 2\na: &a [*a]", "recursive"),
        ("x: 1\ny: 2\na: 2020-13-45", "month must be in 1"),
        (f"x: 1\ny: 2\na: {'9' * 5000}", "digits"),
    ],
)
def test_what_a_person_cannot_mean_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(yaml.YAMLError, match=rf"{problem}(.|\n)*line 3"):
        read_yaml(text)
