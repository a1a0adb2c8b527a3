import pytest
import yaml

from transforms.settings.yaml_text import find_lines, read_yaml


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


@pytest.mark.parametrize("number", ["010", "-0777", "0_1", "00123", "1:30", "-190:20:30", "1:30.5"])
def test_a_number_with_two_readings_is_refused_with_its_line(number):
    with pytest.raises(yaml.YAMLError, match=r"(?s)two numbers.*line 2, column 7"):
        read_yaml(f"a: 1\nseed: {number}")


def test_numbers_with_one_reading_are_read():
    text = "[0, 00, -0, 10, 1_000, 0x1f, 0.5, 1.5e-3, '010', 2024-01-02]"
    assert read_yaml(text)[:-1] == [0, 0, 0, 10, 1000, 31, 0.5, 0.0015, "010"]


def test_the_line_of_every_key_and_item_is_found():
    text = "a:\n  b: 1\n\nc: [x,\n  {d: 2}]\ne: &one {f: 3}\ng: *one\n"
    assert find_lines(text) == {
        ("a",): 1,
        ("a", "b"): 2,
        ("c",): 4,
        ("c", 0): 4,
        ("c", 1): 5,
        ("c", 1, "d"): 5,
        ("e",): 6,
        ("e", "f"): 6,
        ("g",): 7,
    }
    assert find_lines("") == {}
