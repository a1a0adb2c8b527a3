import pytest

from transforms.formats import (
    cut,
    find_attached_columns,
    format_digits,
    format_estimate,
    format_quantity,
    shorten_id,
)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("1.0",), "1.0"),
        (("1.0", "0.1"), "1.0 ± 0.1"),
        (("1.0", "0.1", "0.2"), "1.0 ± 0.1 (0.2)"),
        (("1.0", "0.1", "", "0.8", "1.2"), "1.0 ± 0.1 [0.8, 1.2]"),
        (("1.0", "", "", "0.8", ""), "1.0"),
        (("", "0.1", "0.2", "0.8", "1.2"), ""),
    ],
)
def test_an_estimate_has_as_much_as_is_known(parts, text):
    assert format_estimate(*parts) == text


def test_columns_beside_a_figure_need_the_figure():
    names = ["x", "x_se", "x_low", "x_high", "x_within_se", "y_se", "z"]
    assert find_attached_columns(names) == {"x_se", "x_low", "x_high", "x_within_se"}


def test_ids_are_shortened_and_tables_are_not():
    assert shorten_id("0123456789abcdef") == "0123456789ab"
    assert shorten_id("evaluation_responses@12") == "evaluation_responses@12"


def test_a_cut_text_is_as_long_as_allowed():
    assert (cut("abcd", 4), cut("abcde", 4)) == ("abcd", "abc…")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.126, "0.13"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"),
        (8_030_261_248, "8,030,261,248"), (None, ""),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_or_all_before_the_point(value, text):
    assert format_digits(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999, "999"), (1500, "1.50 k"), (999_900, "1.00 M"), (8.03e9, "8.03 B"), (2e13, "20.0 T")],
)
def test_quantities_have_a_unit(value, text):
    assert format_quantity(value) == text
