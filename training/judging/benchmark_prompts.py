"""Prompts of judged benchmarks: templates with places, of this project or from a published file.

Not here: the rubric of pairwise judging (`training.judging.rubrics`), the score of an answer
(`transforms.benchmarks.judged`).

The project's own prompts are text files in `training/judging/rubric_files/benchmarks`, each sent as
one message of the user; a place is written $question, and $$ is a dollar sign (`string.Template`).
Published files keep their own layout: MT-Bench's judge_prompts.jsonl, Arena-Hard's judge
configuration in YAML, AlpacaEval's text with <|im_start|>; a place is written {question}, and a
brace around anything else is a brace. Verdicts by different prompts are not comparable: a prompt's
version, a hash of it, is part of the judge's identity.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import polars as pl
import yaml

from training.judging.rubrics import RUBRICS, Conversation
from transforms.benchmarks.judged.verdicts import Form
from transforms.errors import InputError
from transforms.identity import digest_settings

OURS = RUBRICS / "benchmarks"

BRACES = re.compile(r"\{(\w+)\}")

CHAT_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)\n?<\|im_end\|>", re.S)
"""A turn of AlpacaEval's prompt files."""


@dataclass(frozen=True)
class JudgePrompt:
    """One template: messages whose texts have places."""

    name: str
    form: Form
    """Form of its answers."""
    messages: tuple[tuple[str, str], ...]
    """Role and text, places written as in `string.Template`."""

    @property
    def version(self) -> str:
        """Return a hash of the messages."""
        return digest_settings([list(message) for message in self.messages])

    def request(self, **places: str) -> Conversation:
        """Fill the places in one pass, so that a dollar sign in a question or an answer is kept."""
        return [
            {"role": role, "content": Template(text).substitute(places)}
            for role, text in self.messages
        ]


def read_own_prompt(name: str, form: Form, places: set[str]) -> JudgePrompt:
    """Read one of the project's own prompts.

    Raises:
        InputError: it has other places.
    """
    text = (OURS / f"{name}.txt").read_text(encoding="utf-8")
    return _checked(JudgePrompt(name, form, (("user", text),)), places, OURS / f"{name}.txt")


def select_mt_bench_prompts(
    raw: pl.DataFrame, places_of: Mapping[str, set[str]], form: Form
) -> list[JudgePrompt]:
    """Select prompts by name from MT-Bench's judge_prompts.jsonl.

    Args:
        raw: its native rows.
        places_of: places by name of the prompt.
        form: form of their answers.

    Raises:
        InputError: a prompt is not there, or has other places.
    """
    found = {row["name"]: row for row in raw.to_dicts()}
    if missing := sorted(set(places_of) - set(found)):
        raise InputError(
            "the judge prompts of MT-Bench are not all there",
            expected=", ".join(places_of),
            found=f"no {', '.join(missing)}",
            remedy="name the published judge_prompts.jsonl, or none for this project's prompts",
        )
    return [
        _checked(
            JudgePrompt(
                name,
                form,
                (
                    ("system", _from_braces(found[name]["system_prompt"], set())),
                    ("user", _from_braces(found[name]["prompt_template"], places)),
                ),
            ),
            places,
            "data.judge_prompts",
        )
        for name, places in places_of.items()
    ]


def read_published_prompt(
    file: str, name: str, form: Form, places: set[str], published: Mapping[str, str]
) -> JudgePrompt:
    """Read a single prompt: AlpacaEval's text, or Arena-Hard's YAML.

    Args:
        file: the file; `.yaml` is a mapping with prompt_template and, if it has one,
            system_prompt.
        name: the prompt's name here.
        form: form of its answers.
        places: places that it has to have.
        published: the file's names of places, where they differ from the names here.

    Raises:
        InputError: the file cannot be read as such, or has other places.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(
            f"the judge prompt {file} cannot be read",
            expected="a text file, or a YAML file",
            found="nothing there",
            remedy="correct judge_prompt, or leave it out for the prompt of this project",
        )
    text = path.read_text(encoding="utf-8")
    turns = _yaml_turns(file, text) if path.suffix in (".yaml", ".yml") else _text_turns(text)
    for theirs, ours in published.items():
        turns = [(role, said.replace(f"{{{theirs}}}", f"{{{ours}}}")) for role, said in turns]
    messages = tuple((role, _from_braces(said, places)) for role, said in turns)
    return _checked(JudgePrompt(name, form, messages), places, file)


def _text_turns(text: str) -> list[tuple[str, str]]:
    """Divide AlpacaEval's text into turns; text without marks is one turn of the user."""
    return CHAT_TURN.findall(text) or [("user", text)]


def _yaml_turns(file: str, text: str) -> list[tuple[str, str]]:
    try:
        settings: Any = yaml.safe_load(text)
        template = settings["prompt_template"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"the judge prompt {file} cannot be read",
            expected="YAML with prompt_template",
            found=f"{type(error).__name__}: {error}",
            remedy="name the benchmark's judge configuration",
        ) from None
    user = template if isinstance(template, str) else template[0]
    system = settings.get("system_prompt")
    return [*([("system", system)] if system else []), ("user", user)]


def _from_braces(text: str, places: set[str]) -> str:
    """Write {place} as ${place}; other braces and dollar signs stay what they are."""
    escaped = text.replace("$", "$$")
    return BRACES.sub(lambda found: f"${found[0]}" if found[1] in places else found[0], escaped)


def _checked(prompt: JudgePrompt, places: set[str], file: Path | str) -> JudgePrompt:
    templates = [Template(text) for _, text in prompt.messages]
    found = {place for template in templates for place in template.get_identifiers()}
    if found != places or not all(template.is_valid() for template in templates):
        raise InputError(
            f"the judge prompt {prompt.name} cannot be filled in",
            expected=f"the places {', '.join(sorted(places))}, each at least once",
            found=", ".join(sorted(found)) or "none",
            remedy=f"correct {file}",
        )
    return prompt
