"""Judge prompts of benchmarks: templates with placeholders, our own or from published files.

Not here: the rubric of pairwise judging (`training.judging.rubrics`), scores
(`transforms.benchmarks.judged`).

Our own prompts are text files in `training/judging/rubric_files/benchmarks`, each sent as one user
message. A placeholder is written $question, a dollar sign $$ (`string.Template`). Published files
keep their layout: MT-Bench's judge_prompts.jsonl, Arena-Hard's judge configuration in YAML,
AlpacaEval's text with <|im_start|>. There a placeholder is written {question}; braces around other
text are ordinary braces. Verdicts from different prompts are not comparable, so the version of a
prompt, a hash of it, is part of the judge's identity.
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
from training.judging.templates import fill_template
from transforms.benchmarks.judged.verdicts import Form
from transforms.errors import InputError
from transforms.identity import digest_settings
from transforms.text_encoding import decode_text

OURS = RUBRICS / "benchmarks"

BRACES = re.compile(r"\{(\w+)\}")

CHAT_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)\n?<\|im_end\|>", re.S)
"""A turn of AlpacaEval's prompt files."""


@dataclass(frozen=True)
class JudgePrompt:
    """A template: messages whose texts contain placeholders."""

    name: str
    form: Form
    """Form of its verdicts."""
    messages: tuple[tuple[str, str], ...]
    """Role and text; placeholders are written as in `string.Template`."""

    @property
    def version(self) -> str:
        """Return a hash of the messages."""
        return digest_settings([list(message) for message in self.messages])

    def fill(self, **texts: str) -> Conversation:
        """Fill all placeholders (`training.judging.templates`)."""
        return [
            {"role": role, "content": fill_template(text, texts)} for role, text in self.messages
        ]


def read_own_prompt(name: str, form: Form, places: set[str]) -> JudgePrompt:
    """Read one of our own prompts.

    Raises:
        InputError: it has other placeholders.
    """
    text = (OURS / f"{name}.txt").read_text(encoding="utf-8")
    prompt = JudgePrompt(name, form, (("user", text),))
    return _require_places(prompt, places, OURS / f"{name}.txt")


def select_mt_bench_prompts(
    raw: pl.DataFrame, places_of: Mapping[str, set[str]], form: Form
) -> list[JudgePrompt]:
    """Select prompts by name from MT-Bench's judge_prompts.jsonl.

    Args:
        raw: its native rows.
        places_of: the placeholders of each prompt by its name.
        form: form of their verdicts.

    Raises:
        InputError: a prompt is missing, or has other placeholders.
    """
    found = {row["name"]: row for row in raw.to_dicts()}
    if missing := sorted(set(places_of) - set(found)):
        raise InputError(
            "judge prompts of MT-Bench are missing",
            expected=", ".join(places_of),
            found=f"no {', '.join(missing)}",
            remedy="use the published judge_prompts.jsonl, or leave it out for our own prompts",
        )
    return [
        _require_places(
            JudgePrompt(
                name,
                form,
                (
                    ("system", _convert_braces(found[name]["system_prompt"], set())),
                    ("user", _convert_braces(found[name]["prompt_template"], places)),
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
        name: our name of the prompt.
        form: form of its verdicts.
        places: the placeholders that it must have.
        published: our names of the placeholders that have another name in the file, by that name.

    Raises:
        InputError: the file cannot be read as a prompt, or has other placeholders.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(
            f"the judge prompt {file} cannot be read",
            expected="a text file, or a YAML file",
            found="no such file",
            remedy="correct judge_prompt, or leave it out for our own prompt",
        )
    try:
        text = decode_text(path.read_bytes())
    except UnicodeError as error:
        raise InputError(
            f"the judge prompt {file} cannot be read",
            expected="text in UTF-8",
            found=str(error),
            remedy="save the file as UTF-8",
        ) from None
    turns = _parse_yaml(file, text) if path.suffix in (".yaml", ".yml") else _parse_text(text)
    for theirs, ours in published.items():
        turns = [(role, turn.replace(f"{{{theirs}}}", f"{{{ours}}}")) for role, turn in turns]
    messages = tuple((role, _convert_braces(turn, places)) for role, turn in turns)
    return _require_places(JudgePrompt(name, form, messages), places, file)


def _parse_text(text: str) -> list[tuple[str, str]]:
    """Split AlpacaEval's text into turns; text without marks is one user turn."""
    return CHAT_TURN.findall(text) or [("user", text)]


def _parse_yaml(file: str, text: str) -> list[tuple[str, str]]:
    try:
        settings: Any = yaml.safe_load(text)
        template = settings["prompt_template"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"the judge prompt {file} cannot be read",
            expected="YAML with prompt_template",
            found=f"{type(error).__name__}: {error}",
            remedy="use the benchmark's judge configuration",
        ) from None
    user = template if isinstance(template, str) else template[0]
    system = settings.get("system_prompt")
    return [*([("system", system)] if system else []), ("user", user)]


def _convert_braces(text: str, places: set[str]) -> str:
    """Convert {place} to ${place}, and escape dollar signs; other braces are unchanged."""
    escaped = text.replace("$", "$$")
    return BRACES.sub(lambda found: f"${found[0]}" if found[1] in places else found[0], escaped)


def _require_places(prompt: JudgePrompt, places: set[str], file: Path | str) -> JudgePrompt:
    templates = [Template(text) for _, text in prompt.messages]
    found = {place for template in templates for place in template.get_identifiers()}
    if found != places or not all(template.is_valid() for template in templates):
        raise InputError(
            f"the judge prompt {prompt.name} cannot be filled in",
            expected=f"the placeholders {', '.join(sorted(places))}, each at least once",
            found=", ".join(sorted(found)) or "none",
            remedy=f"correct {file}",
        )
    return prompt
