"""Mutated recipes: each is parsed or refused with one clear error.

A mutation changes the text of a shipped recipe (bytes, lines, indents), or a key, a name or a value
of it. Any exception except `InputError` is a failure, and so is an error without its three parts.
The last line is JSON.

    python bench/fuzz/recipes.py --count 5000
"""

import copy
import json
import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from training.recipe_file import load_recipe
from transforms.errors import InputError

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**70, 0.5, 1e-320, float("inf"), float("-inf"), float("nan"), "",
    " ", "010", "1e-5", "nan", "true", "../x", "é", "\ufeff", "\u2028", "\x00", "a" * 5000, [], {},
    [None], [[]], {"": {}}, {"a": None}, {"a": {"b": {}}}, ["a", "a"], {1: 2}, {None: 1},
)  # fmt: skip

ODD_NAMES: tuple[Any, ...] = (
    "", " ", "A", "a/b", "../a", "a'b", 'a"b', "é", "a.b", "a-b", "shared", "all", "row_keys", "1a",
    "loop", "a" * 65, 1, 1.5, None, True,
)  # fmt: skip

ODD_LINES = (
    "seed: 010", "seed: 1:30", "seed: &a 1", "x: *a", "a: !!python/object:os.system x", "---",
    "...", "name: twice", "<<: {seed: 1}", "? [a]", "- 1", "\t", "%YAML 9.9", "x: !!binary ===",
    "x: |", "base: .", "base: /", "x: 2020-13-45", "x: '\\u2028'", "y: [", "}",
)  # fmt: skip

ODD_CHARACTERS = "\x00\t\r\n:{}[],&*#?|>'\"%@`é\u2028\ufeff\U0001f600-~0"


def mutate_text(text: str, dice: random.Random) -> bytes:
    """Return a recipe's text with one or two changes of characters, lines or bytes."""
    for _ in range(dice.randint(1, 2)):
        place = dice.randrange(len(text) + 1)
        lines = text.split("\n")
        line = dice.randrange(len(lines))
        match dice.randrange(8):
            case 0:
                text = text[:place] + dice.choice(ODD_CHARACTERS) + text[place:]
            case 1:
                text = text[:place] + text[place + dice.randint(1, 20) :]
            case 2:
                text = "\n".join([*lines[:line], lines[line], *lines[line:]])
            case 3:
                text = "\n".join([*lines[:line], *lines[line + 1 :]])
            case 4:
                lines[line] = " " * dice.randint(1, 4) + lines[line]
                text = "\n".join(lines)
            case 5:
                text = "\n".join([*lines[:line], dice.choice(ODD_LINES), *lines[line:]])
            case 6:
                text = text[:place]
            case _:
                text = text[:place] + text[place:].replace("  ", "\t", 1)
    content = text.encode(dice.choice(["utf-8"] * 30 + ["utf-8-sig", "utf-16", "utf-16-le"]))
    if dice.random() < 0.05:
        place = dice.randrange(len(content) + 1)
        content = content[:place] + dice.randbytes(dice.randint(1, 8)) + content[place:]
    return content


def list_groups(value: Any) -> Iterator[Any]:
    """Yield every mapping and list in nested settings."""
    if isinstance(value, dict | list) and value:
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from list_groups(inner)


def mutate_settings(settings: Any, dice: random.Random) -> bytes:
    """Return a recipe with one or two changes of keys, names or values, as YAML."""
    settings = copy.deepcopy(settings)
    for _ in range(dice.randint(1, 2)):
        group = dice.choice([*list_groups(settings)])
        step = dice.choice([*group] if isinstance(group, dict) else [*range(len(group))])
        match dice.randrange(5):
            case 0 | 1:
                group[step] = copy.deepcopy(dice.choice(ODD_VALUES))
            case 2 if isinstance(group, dict):
                group[dice.choice(ODD_NAMES)] = copy.deepcopy(group[step])
            case 3 if isinstance(group, dict):
                group[f"{step}x"] = group.pop(step)
            case _:
                group.pop(step)
        if not settings:
            break
    return yaml.safe_dump(settings, allow_unicode=True, sort_keys=False).encode()


def try_recipe(content: bytes, folder: Path) -> str:
    """Return what became of a recipe: parsed, refused, or the failure."""
    file = folder / "mutated.yaml"
    file.write_bytes(content)
    try:
        load_recipe(file)
    except InputError as error:
        clear = all(error.parts[part].strip() for part in ("expected", "found", "remedy"))
        return "refused" if clear else f"an error without a part: {error}"
    except Exception:  # what the fuzz looks for: reported with its trace
        return traceback.format_exc()
    return "parsed"


def main(count: int = 5000, seed: int = 0) -> None:
    """Mutate recipes, and print each failure and the number of each outcome."""
    texts = {file.name: file.read_text(encoding="utf-8") for file in sorted(RECIPES.glob("*.yaml"))}
    parsed = {name: yaml.safe_load(text) for name, text in texts.items()}
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():  # bases
            (Path(folder) / name).write_text(text, encoding="utf-8")
        for number in range(count):
            dice = random.Random(f"{seed}/{number}")
            name = dice.choice([*texts])
            if by_text := dice.random() < 0.5:
                content = mutate_text(texts[name], dice)
            else:
                content = mutate_settings(parsed[name], dice)
            outcome = try_recipe(content, Path(folder))
            if outcome not in ("parsed", "refused"):
                typer.echo(f"--- mutation {number} of {name}, seed {seed}\n{outcome}")
                outcome = "failed"
            outcomes[f"{'text' if by_text else 'settings'} {outcome}"] += 1
    failures = sum(number for outcome, number in outcomes.items() if outcome.endswith("failed"))
    typer.echo(json.dumps({"bench": "fuzz_recipes", "recipes": count, "seed": seed,
                           "failures": failures, **dict(sorted(outcomes.items()))}))  # fmt: skip
    raise typer.Exit(bool(failures))


if __name__ == "__main__":
    typer.run(main)
