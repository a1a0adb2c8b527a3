"""The class that every group of settings extends."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """A group of settings: immutable, and an unknown key is refused.

    A number is finite. It is not converted from true, false or a text, except a text such as 1e-5,
    which YAML does not read as a number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_conversions(cls, keys: Any) -> Any:
        """Hide what pydantic would convert to a number without a word, so that it is refused."""
        if not isinstance(keys, Mapping):
            return keys
        hidden = {
            name: _NoNumber(keys[name])
            for name, field in cls.model_fields.items()
            if isinstance(keys.get(name), bool | str)
            and not _fits(keys[name], {*_list_types(field.annotation)})
        }
        return {**keys, **hidden}


class _NoNumber:
    """A value in place of a number; pydantic converts no object of this class."""

    def __init__(self, value: bool | str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return repr(self._value)


def _fits(value: bool | str, types: set[Any]) -> bool:
    return not types <= {int, float, type(None)} or (isinstance(value, str) and float in types)


def _list_types(annotation: Any) -> Iterator[Any]:
    """Yield the members of unions, nested or not."""
    if inner := get_args(annotation):
        for one in inner:
            yield from _list_types(one)
    else:
        yield annotation
