"""Validation errors of pydantic converted to the error for people: key, value, allowed values.

Not here: the settings (the other files of this package).
"""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from transforms.errors import InputError

Location = tuple[int | str, ...]
Place = Callable[[Location], str]


class Clauses(NamedTuple):
    """What an error for people states about one problem."""

    expected: str
    found: str
    remedy: str


class SettingsError(InputError):
    """Refused settings.

    A validator that raises it, such as that of an experiment's overrides, lets the validation of
    the whole recipe add the place where each of its keys was written.
    """

    describe: Callable[[Place], Iterator[Clauses]]
    """Describes the problems again, with the places that a function returns."""


def convert_validation_error(
    error: ValidationError,
    what: str,
    *,
    model: Any,
    prefix: str = "",
    place: Place = lambda location: "",
) -> SettingsError:
    """Return one error that lists all problems that pydantic found.

    Args:
        error: error of pydantic.
        what: first line of the error, such as `recipe FILE is refused`.
        model: settings class or union that was validated; similar keys of it are proposed for
            unknown ones.
        prefix: dotted key of the settings within the recipe.
        place: returns the place where a key was written; it is shown in parentheses.
    """

    def describe(place: Place) -> Iterator[Clauses]:
        return _describe_problems(error, model, prefix, place)

    clauses = [*describe(place)]
    converted = SettingsError(
        what,
        expected="; ".join(one.expected for one in clauses),
        found="; ".join(one.found for one in clauses),
        remedy="; ".join(dict.fromkeys(one.remedy for one in clauses)),
    )
    converted.describe = describe
    return converted


def _describe_problems(
    error: ValidationError, model: Any, prefix: str, place: Place
) -> Iterator[Clauses]:
    above = tuple(filter(None, prefix.split(".")))
    for problem in error.errors():
        tagged = tuple(part for part in problem["loc"] if part != "[key]")
        is_name = tagged != problem["loc"]
        location = _drop_tags(model, tagged)
        key = ".".join(map(str, (*above, *location)))
        written = f" ({where})" if (where := place((*above, *location))) else ""
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            yield from cause.describe(place)
        elif isinstance(cause, InputError):
            found = f"{cause.what}: {cause.parts['found']}"
            yield Clauses(cause.parts["expected"], found, cause.parts["remedy"])
        elif problem["type"] == "extra_forbidden":
            allowed = sorted(_list_allowed_keys(model, tagged))
            close = difflib.get_close_matches(str(location[-1]), allowed, n=1)
            yield Clauses(
                f"{key}: one of {', '.join(allowed)}" if allowed else f"no key {key}",
                f"unknown key {key}{written}",
                f"write {close[0]} for {location[-1]}" if close else f"remove {key}",
            )
        elif problem["type"] == "union_tag_invalid":
            # pydantic gives the names in quotes: the key, and the allowed values with commas
            tag = str(problem["ctx"]["discriminator"]).strip("'")
            allowed = re.findall(r"'([^']*)'", str(problem["ctx"]["expected_tags"]))
            given, kind = str(problem["ctx"]["tag"]), ".".join(filter(None, (key, tag)))
            close = difflib.get_close_matches(given, allowed, n=1)
            yield Clauses(
                f"{kind}: one of {', '.join(allowed)}",
                f"{kind} = {given!r}{written}",
                f"write {close[0]} for {given}" if close else f"correct {kind}",
            )
        elif problem["type"] == "missing":
            yield Clauses(f"the key {key}", f"no key {key}{written}", f"add {key}")
        elif not key:  # a rule about several keys, or something else than a mapping
            message = problem["msg"].removeprefix("Value error, ")
            whole = problem["type"] != "value_error"
            yield Clauses(
                message if whole else "settings that fit each other",
                f"{problem['input']!r}" if whole else f"{message}{written}",
                "write a mapping of settings" if whole else "correct one of these settings",
            )
        else:
            message = problem["msg"].removeprefix("Value error, ")
            group = isinstance(problem["input"], dict)
            value = f"the keys below {key}" if group else f"{key} = {problem['input']!r}"
            if is_name:
                value = f"the name {problem['input']!r}"
            yield Clauses(f"{key}: {message}", value + written, f"correct {key}")


def _drop_tags(model: Any, location: Location) -> Location:
    """Return a location of pydantic without the tags that select a class, which are no keys."""
    models, kept = [model], []
    for part in location:
        if not any(_is_tagged(one) for one in models):
            kept.append(part)
        models = [inner for outer in models for inner in _list_inner_types(outer, part)]
    return tuple(kept)


def _is_tagged(annotation: Any) -> bool:
    """Return whether a type is a union in which a tag selects the class."""
    return any(
        getattr(one, "discriminator", None) for one in getattr(annotation, "__metadata__", ())
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
