"""Hashes of code: what reruns a rule or a reward, and what does not."""

import ast

import pytest

from transforms.code_hash import hash_code

CODE = '''
def score(responses):
    """Score the responses."""
    return [len(one) * 2 for one in responses]  # twice
'''


def test_comments_and_layout_do_not_count():
    other = CODE.replace("  # twice", "").replace("return [", "return [\n        ")
    assert other != CODE
    assert hash_code(other) == hash_code(CODE)
    assert hash_code(CODE.encode()) == hash_code(CODE)


@pytest.mark.parametrize(
    ("old", "new"), [("* 2", "* 3"), ("* 2", "* 2.0"), ("responses", "texts"), ("len", "abs")]
)
def test_other_code_has_another_hash(old, new):
    for docstrings in (True, False):
        assert hash_code(CODE.replace(old, new), docstrings=docstrings) != hash_code(
            CODE, docstrings=docstrings
        )


def test_a_docstring_counts_only_where_code_may_read_it():
    other = CODE.replace("Score the", "Rate the")
    assert hash_code(other) != hash_code(CODE)
    assert hash_code(other, docstrings=False) == hash_code(CODE, docstrings=False)


def test_a_text_that_is_used_is_no_docstring():
    one, two = (hash_code(f"NAME = '{name}'\n'''Its name.'''", docstrings=False) for name in "ab")
    assert one != two


def test_values_that_look_alike_have_different_hashes():
    values = ["None", "0", "False", "''", "b''", "[]", "()", "{}", "...", "1", "True", "1.0", "'1'"]
    assert len({hash_code(f"x = {value}") for value in values}) == len(values)


def test_fields_of_newer_versions_of_python_that_are_empty_do_not_count():
    """Python 3.12 adds `type_params` to functions and classes."""
    tree = ast.parse(CODE)
    tree.body[0].type_params = []
    tree.body[0]._fields = (*tree.body[0]._fields, "type_params")
    from transforms.code_hash import _convert

    assert _convert(tree, True) == _convert(ast.parse(CODE), True)


def test_what_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        hash_code("def score(:")
