"""Reading a recipe's file: YAML and overrides into a `Recipe`, every mistake named by its key.

Not here: the keys (`training.recipe`) and what is refused of them (`training.recipe_checks`).
Imports no torch.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from training.recipe import Recipe
from training.settings.overrides import merge
from transforms.errors import InputError


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: a YAML file. Relative paths in it are taken from its folder.
        overrides: `key.key=value` settings laid over the file; values are YAML.

    Raises:
        InputError: no such file, not YAML, an unknown key, or a value out of range; all are listed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"recipe {path} cannot be read",
            expected="a YAML file",
            found="a folder" if path.is_dir() else "nothing there",
            remedy="name one of " + ", ".join(sorted(map(str, path.parent.glob("*.yaml"))))
            if path.parent.is_dir()
            else "check the path",
        )
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
        for override in overrides:
            keys = merge(keys, parse_override(override))
    except yaml.YAMLError as error:
        raise InputError(
            f"recipe {path} is not YAML",
            expected="YAML",
            found=str(error),
            remedy="mend the syntax there",
        ) from None
    if not isinstance(keys, dict):
        raise InputError(
            f"recipe {path} is not a recipe",
            expected="a mapping of settings",
            found=type(keys).__name__,
            remedy="start from recipes/quickstart.yaml",
        )
    try:
        recipe = Recipe.model_validate(keys)
    except ValidationError as error:
        raise _explain(path, error) from None
    return _resolve_files(recipe, path.parent)


def parse_override(override: str) -> dict[str, Any]:
    """Read `key.key=value` into nested settings.

    Raises:
        InputError: it is not of the form.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(
            "an override cannot be read",
            expected="key.key=value",
            found=override,
            remedy="for example --set loop.dpo.beta=0.05",
        )
    nested: Any = yaml.safe_load(value)
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return nested


def _resolve_files(recipe: Recipe, folder: Path) -> Recipe:
    """Make the recipe's relative file names absolute."""

    def located(origins: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: origin.model_copy(
                update={"files": tuple(str((folder / file).resolve()) for file in origin.files)}
            )
            for name, origin in origins.items()
        }

    def beside(settings: Any) -> Any:
        config = settings.accelerate_config
        return settings.model_copy(
            update={"accelerate_config": config and str((folder / config).resolve())}
        )

    loop = recipe.loop.model_copy(
        update={name: beside(getattr(recipe.loop, name)) for name in ("dpo", "kto", "raft", "rloo")}
    )
    return recipe.model_copy(
        update={
            "sources": located(recipe.sources),
            "evaluation_sets": located(recipe.evaluation_sets),
            "reward_bench": located(recipe.reward_bench),
            "benchmarks": {
                name: settings.model_copy(update={"data": located(settings.data)})
                for name, settings in recipe.benchmarks.items()
            },
            "sft": beside(recipe.sft),
            "reward_model": beside(recipe.reward_model),
            "preference_model": recipe.preference_model and beside(recipe.preference_model),
            "loop": loop,
        }
    )


def _explain(path: Path, error: ValidationError) -> InputError:
    """Turn pydantic's errors into lines that name the key, what was found and what is allowed."""
    expected, found, remedies = [], [], []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"])) or "recipe"
        if problem["type"] == "extra_forbidden":
            allowed = _keys_beside(problem["loc"])
            close = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
            expected.append(
                f"{key}: one of {', '.join(allowed)}" if allowed else f"{key}: no such key"
            )
            found.append(f"unknown key {key}")
            remedies.append(
                f"write {close[0]} for {problem['loc'][-1]}" if close else f"remove {key}"
            )
        else:
            expected.append(f"{key}: {problem['msg']}")
            found.append(
                f"{key} = {problem['input']!r}"
                if not isinstance(problem["input"], dict)
                else f"the keys below {key}"
            )
            remedies.append(f"mend {key}")
    return InputError(
        f"recipe {path} is refused",
        expected="; ".join(expected),
        found="; ".join(found),
        remedy="; ".join(remedies),
    )


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """List the keys allowed where an unknown one was found; empty where it cannot be told."""
    model: Any = Recipe
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return []
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next(
            (candidate for candidate in candidates if hasattr(candidate, "model_fields")), None
        )
    return sorted(getattr(model, "model_fields", {}))
