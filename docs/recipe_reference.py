"""The reference of a recipe's keys and the schema for editors, from the text under each field.

    python docs/recipe_reference.py       # `make docs`

writes docs/guide/recipe.md and recipes/recipe.schema.json. A test checks that they are up to date.
"""

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from training.recipe import Recipe
from training.recipe_file import NAMED
from transforms.settings.frozen import Settings
from transforms.settings.source_options import SourceOptions
from transforms.sources.catalog import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "recipe.md"
SCHEMA = ROOT / "recipes" / "recipe.schema.json"

HEAD = """# Every key of a recipe

A recipe is one YAML file. A key with a default may be left out. `make docs` writes this page from
the text under each field in `training/recipe`, `training/settings` and `transforms/settings`.
Editors show the same text if a recipe begins with

```yaml
# yaml-language-server: $schema=recipe.schema.json
```

`--set key.key=value` on the command line overrides the file; its value is YAML. `<name>` is a
name that the recipe chooses. Options of a single dataset are below the name of its entry.
"""
BASE = (
    "Another recipe's file, relative to this one, whose keys this one overrides: mappings are "
    "merged, other values are replaced, and null removes what has a name, such as an experiment, "
    "a source, a mixture or a benchmark. Relative paths in the base are relative to the base."
)
BOUNDS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}", "pattern": "matching `{}`"}
LENGTHS = {"min_length": "(at least {})", "max_length": "(at most {})"}
WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", Any: "anything"}
# fields whose values are overrides: (class, key) -> class whose keys they override
OVERRIDES = {
    ("Recipe", "experiments"): "LoopSettings",
    ("Recipe", "reward_models"): "RewardModelSettings",
    ("Recipe", "ensembles"): "EnsembleSettings",
    ("FeedbackSettings", "reward_model"): "RewardModelSettings",
}

Group = type[Settings]
Paths = dict[Group, list[str]]


def write_page() -> str:
    """Write the reference as Markdown: one section per group of settings, one row per key."""
    paths = _list_paths()
    shared = _find_shared_bases(paths)
    titles = _title_sections(paths, shared)
    parts = [HEAD]
    for group in [*paths, *shared]:
        parts.append(f"## {titles[group]}\n\n{inspect.cleandoc(group.__doc__ or '')}\n")
        rows = [
            _write_row(
                key,
                _describe_value(group, key, field, titles),
                _describe_default(field),
                _join_lines(field),
            )
            for key, field in group.model_fields.items()
            if _find_owner(group, key, shared) is group
            and key not in _find_redeclared(group, shared)
        ]
        if group is Recipe:
            rows.insert(0, _write_row("base", "text", "", BASE))
        if rows:
            head = "| key | value | default | meaning |\n|---|---|---|---|"
            parts.append("\n".join([head, *rows]) + "\n")
        if base := next((base for base in group.__mro__[1:] if base in titles), None):
            parts.append(f"Further keys: {_link(titles[base], titles[base])}.\n")
    return "\n".join(parts)


def write_schema() -> str:
    """Write the JSON schema for editors. No key is required, because a base may have it."""
    schema = Recipe.model_json_schema()
    definitions = schema["$defs"]
    for name, group in {"Recipe": schema, **definitions}.items():
        group.pop("required", None)
        for key, field in group.get("properties", {}).items():
            if target := OVERRIDES.get((name, key)):
                reference = {"$ref": f"#/$defs/{target}"}
                if name == "Recipe":
                    field["additionalProperties"] = reference
                else:
                    group["properties"][key] = reference | {"description": field["description"]}
    for key in NAMED:
        field = schema["properties"][key]
        field["additionalProperties"] = {"anyOf": [field["additionalProperties"], {"type": "null"}]}
        field.pop("minProperties", None)
    schema["properties"] = {"base": {"type": "string", "description": BASE}} | schema["properties"]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_simplify(schema)}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


@cache
def _list_paths() -> Paths:
    """Return the groups of settings in the order of the recipe, each with its dotted keys."""
    paths: Paths = defaultdict(list)

    def visit(group: Group, path: str) -> None:
        if path in paths[group]:
            return
        paths[group].append(path)
        for key, field in group.model_fields.items():
            for below, place in _find_groups(field.annotation, f"{path}.{key}" if path else key):
                visit(below, place)

    visit(Recipe, "")
    paths[SourceOptions] = ["sources.<name>.options"]
    for name, entry in CATALOGUE.items():
        if entry.options is not SourceOptions:
            paths[entry.options].append(f"sources.{name}.options")
    return dict(paths)


def _find_groups(annotation: Any, path: str) -> Iterator[tuple[Group, str]]:
    """Yield the groups of settings in a field's type, with the key of each."""
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        yield annotation, path
    elif get_origin(annotation) is dict:
        yield from _find_groups(get_args(annotation)[1], f"{path}.<name>")
    elif get_origin(annotation) is tuple:
        yield from _find_groups(get_args(annotation)[0], f"{path}[]")
    else:
        for part in get_args(annotation):
            yield from _find_groups(part, path)


def _find_shared_bases(paths: Paths) -> dict[Group, list[Group]]:
    """Return the classes whose keys several groups share, and that are no groups themselves."""
    users: dict[Group, list[Group]] = defaultdict(list)
    for group in paths:
        for base in group.__mro__[1:]:
            if issubclass(base, Settings) and base is not Settings and base not in paths:
                users[base].append(group)
    return {base: groups for base, groups in users.items() if len(groups) > 1}


def _title_sections(paths: Paths, shared: dict[Group, list[Group]]) -> dict[Group, str]:
    """Return the heading of each section."""
    titles = {}
    for group, places in paths.items():
        title = ", ".join(f"`{path}`" for path in places)
        if any(places == others for other, others in paths.items() if other is not group):
            title += f": {', '.join(get_args(group.model_fields['benchmark'].annotation))}"
        titles[group] = title
    for base in shared:
        titles[base] = re.split("[.:]", inspect.cleandoc(base.__doc__ or ""))[0]
    return {**titles, Recipe: "The top of the file"}


def _find_redeclared(group: Group, shared: dict[Group, list[Group]]) -> set[str]:
    """Return the keys of a shared section that each of its groups declares again."""
    declared = [set(inspect.get_annotations(one)) for one in shared.get(group, [])]
    return set.intersection(*declared) if declared else set()


def _find_owner(group: Group, key: str, shared: dict[Group, list[Group]]) -> Group:
    """Return the section that describes a key: the class that declared it last."""
    for one in group.__mro__:
        if key in inspect.get_annotations(one):
            described = one is group or one in shared or one in _list_paths()
            return one if described else group
    return group


def _describe_value(group: Group, key: str, field: FieldInfo, titles: dict[Group, str]) -> str:
    """Return the values that a key allows: type, bounds, and a link to the keys below it."""
    if target := OVERRIDES.get((group.__name__, key)):
        (below,) = [one for one in titles if one.__name__ == target]
        many = "by name: " if group is Recipe else ""
        return f"{many}any of the {_link('keys', titles[below])}"
    bounds = [
        text.format(getattr(bound, name))
        for bound in field.metadata
        for name, text in (LENGTHS if _is_many(field.annotation) else BOUNDS).items()
        if getattr(bound, name, None) is not None
    ]
    return _add_bounds(_describe_type(field.annotation, titles), bounds)


def _add_bounds(value: str, bounds: list[str]) -> str:
    """Insert bounds after a type, before its `or null`."""
    kind, null, _ = value.partition(" or null")
    return f"{kind} {', '.join(bounds)}{null}" if bounds else value


def _is_many(annotation: Any) -> bool:
    return get_origin(annotation) in (dict, tuple)


def _describe_type(annotation: Any, titles: dict[Group, str]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is NoneType:
        return "null"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        bounds = [
            text.format(value)
            for extra in arguments[1:]
            for bound in getattr(extra, "metadata", [])
            for name, text in BOUNDS.items()
            if (value := getattr(bound, name, None)) is not None
        ]
        return _add_bounds(_describe_type(arguments[0], titles), bounds)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_describe_type(part, titles) for part in arguments))
    if origin is dict:
        return f"by name: {_describe_type(arguments[1], titles)}"
    if origin is tuple:
        return f"list of {_describe_type(arguments[0], titles)}"
    if annotation in titles:
        return _link("keys", titles[annotation])
    return WORDS[annotation]


def _describe_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Settings):
        return ""
    value = field.default
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _write_row(key: str, value: str, default: str, text: str) -> str:
    return f"| `{key}` | {value} | {default} | {text} |"


def _join_lines(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", r"\|")


def _link(text: str, title: str) -> str:
    """Return a link to a section, by the fragment that GitHub gives to its heading."""
    fragment = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    return f"[{text}](#{fragment})"


def _simplify(schema: Any) -> Any:
    """Remove titles and defaults of whole groups, join lines of text, and turn oneOf into anyOf."""
    if isinstance(schema, list):
        return [_simplify(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in ("title", "discriminator") and not (isinstance(value, dict) and "type" in value):
            continue
        if key == "default" and isinstance(value, dict):
            continue
        if key == "description" and isinstance(value, str):
            kept[key] = " ".join(value.split())
        else:
            kept["anyOf" if key == "oneOf" else key] = _simplify(value)
    return kept


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    SCHEMA.write_text(write_schema(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}\n{SCHEMA.relative_to(ROOT)}")
