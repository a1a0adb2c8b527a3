import pytest

from transforms.formats import cut, find_attached_columns, format_estimate, shorten_id


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
