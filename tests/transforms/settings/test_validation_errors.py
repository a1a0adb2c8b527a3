from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from transforms.errors import InputError
from transforms.settings.frozen import Settings
from transforms.settings.validation_errors import convert_validation_error


class Cat(Settings):
    kind: Literal["cat"] = "cat"
    lives: int = Field(default=9, ge=1)


class Dog(Settings):
    kind: Literal["dog"] = "dog"
    tricks: int = 0


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class House(Settings):
    pets: dict[str, Pet] = Field(default={})
    cats: tuple[Cat, ...] = ()
    guest: Dog | None = None
    rooms: int = 1
    street: str

    @model_validator(mode="after")
    def _room_for_all(self) -> Self:
        if self.guest and not self.cats:
            raise ValueError("a guest needs cats, and cats is empty")
        if self.rooms < len(self.cats):
            raise InputError("too few rooms", expected="a room each", found="1", remedy="build")
        return self


def refused(model, keys, **arguments) -> str:
    with pytest.raises(ValidationError) as refusal_of_pydantic:
        TypeAdapter(model).validate_python(keys)
    return str(
        convert_validation_error(refusal_of_pydantic.value, "refused", model=model, **arguments)
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"room": 2},
            ["unknown key room", "one of cats, guest, pets, rooms, st", "write rooms"],
        ),
        ({"rooms": "two"}, ["rooms = 'two'", "rooms: Input should be a valid integer"]),
        ({"cats": [{}, {"live": 1}]}, ["unknown key cats.1.live", "one of kind, lives"]),
        ({"guest": {"trick": 1}}, ["unknown key guest.trick", "one of kind, tricks"]),
        (
            {"pets": {"tom": {"kind": "cat", "live": 1}}},
            ["unknown key pets.tom.live", "one of kind, lives"],
        ),
        (
            {"pets": {"cat": {"kind": "cat", "lives": 0}}},
            ["pets.cat.lives = 0", "greater than or equal"],
        ),
        (
            {"pets": {"rex": {"kind": "dogs"}}},
            ["expected: pets.rex.kind: one of cat, dog", "pets.rex.kind = 'dogs'", "write dog for"],
        ),
        (
            {"guest": {}},
            ["expected: settings that fit each other", "found:    a guest needs cats, and cats is"],
        ),
        ([1], ["found:    [1]", "write a mapping of settings"]),
        ({"cats": [{}, {}]}, ["too few rooms: 1", "expected: a room each", "to do:    build"]),
    ],
)
def test_a_problem_is_named_by_its_key_with_what_is_allowed(keys, words) -> None:
    message = refused(House, {"street": "s", **keys} if isinstance(keys, dict) else keys)
    for word in words:
        assert word in message


def test_all_problems_are_listed_with_the_place_that_each_was_written_in() -> None:
    message = refused(
        House,
        {"rooms": "two", "hall": 1, "street": "s"},
        prefix="house",
        place=lambda location: "a.yaml",
    )
    assert "house.rooms = 'two' (a.yaml); unknown key house.hall (a.yaml)" in message


def test_a_missing_key_is_named() -> None:
    message = refused(House, {}, prefix="house")
    for word in ("expected: the key house.street", "found:    no key house.st", "add house.street"):
        assert word in message


def test_a_union_is_a_model_too() -> None:
    assert "one of kind, tricks" in refused(Pet, {"kind": "dog", "trick": 1})
    assert "expected: kind: one of cat, dog" in refused(Pet, {"kind": "bird"})
