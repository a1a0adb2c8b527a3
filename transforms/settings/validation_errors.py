"""Validation errors of pydantic converted to the error for people: key, value, allowed values.

Not here: the settings (the other files of this package).
"""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from transforms.errors import InputError

Location = tuple[int | str, ...]


def convert_validation_error(
    error: ValidationError,
    what: str,
    *,
    model: Any,
    prefix: str = "",
    place: Callable[[Location], str] = lambda location: "",
) -> InputError:
    """Return one error that lists all problems that pydantic found.

    Args:
        error: error of pydantic.
        what: first line of the error, such as `recipe FILE is refused`.
        model: settings class or union that was validated; similar keys of it are proposed for
            unknown ones.
        prefix: dotted key of the settings within the recipe.
        place: returns the place where a key was written; it is shown in parentheses.
    """
    expected: list[str] = []
    found: list[str] = []
    remedies: list[str] = []
    for problem in error.errors():
        location = problem["loc"]
        key = ".".join(map(str, (*filter(None, [prefix]), *location)))
        written = f" ({where})" if (where := place(location)) else ""
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            expected.append(cause.parts["expected"])
            found.append(f"{cause.what}: {cause.parts['found']}")
            remedies.append(cause.parts["remedy"])
        elif problem["type"] == "extra_forbidden":
            allowed = sorted(_list_allowed_keys(model, location))
            expected.append(f"{key}: one of {', '.join(allowed)}" if allowed else f"no key {key}")
            found.append(f"unknown key {key}{written}")
            close = difflib.get_close_matches(str(location[-1]), allowed, n=1)
            remedies.append(f"write {close[0]} for {location[-1]}" if close else f"remove {key}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            expected.append(f"{key}: {message}" if key else message)
            group = isinstance(problem["input"], dict) or not location
            value = f"the keys below {key or 'it'}" if group else f"{key} = {problem['input']!r}"
            found.append(value + written)
            remedies.append(f"correct {key}" if key else "correct the settings named above")
    return InputError(
        what,
        expected="; ".join(expected),
        found="; ".join(found),
        remedy="; ".join(dict.fromkeys(remedies)),
    )


def _list_allowed_keys(model: Any, location: Location) -> set[str]:
    """Return the keys that are allowed in place of an unknown one; empty if they are unknown."""
    models = [model]
    for part in location[:-1]:
        models = [inner for outer in models for inner in _list_inner_types(outer, part)]
    return {
        key
        for outer in models
        for one in _list_alternatives(outer)
        for key in getattr(one, "model_fields", ())
    }


def _list_inner_types(annotation: Any, part: int | str) -> Iterator[Any]:
    """Yield the types below a key, an index or the tag of a union."""
    for one in _list_alternatives(annotation):
        if get_origin(one) in (dict, tuple):
            yield get_args(one)[-1 if get_origin(one) is dict else 0]
        elif (fields := getattr(one, "model_fields", None)) is not None:
            if part in fields:
                yield fields[part].annotation
            elif any(part in get_args(field.annotation) for field in fields.values()):
                yield one  # pydantic's location contains the tag that selected this class


def _list_alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of unions and the content of `Annotated`, nested or not."""
    if hasattr(annotation, "model_fields") or get_origin(annotation) in (dict, tuple):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _list_alternatives(inner)
