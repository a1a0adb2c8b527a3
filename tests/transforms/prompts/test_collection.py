"""The prompt collection on a real lake: duplicates, near duplicates, evaluation sets, accounts."""

import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.batched_reads import MIN_BATCH_ROWS
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.prompts import collection
from transforms.prompts.collection import write_prompts
from transforms.prompts.instructions.registry import read_reference
from transforms.settings.prompts import NearDuplicateSettings, PromptSettings
from transforms.settings.sources import SourceSettings
from transforms.sources.intake.ingest import ingest
from transforms.sources.intake.sources import resolve
from transforms.views.query import check, connect

QUESTION = (
    "A train leaves the old station at nine in the morning and travels sixty miles an hour towards "
    "the sea; when does it arrive?"
)
STORY = "Write a long story about a lighthouse keeper who finds a message in a green bottle"
ALIKE = PromptSettings(near_duplicates=NearDuplicateSettings())


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def source(tmp_path, lake):
    """Make a source of prompts with its raw table."""

    def make(name, *prompts):
        file = tmp_path / f"{name}.jsonl"
        turns = [[{"role": "user", "content": text}] for text in prompts]
        lines = [json.dumps({"context_messages": turn}) + "\n" for turn in turns]
        file.write_text("".join(lines), encoding="utf-8")
        made = resolve(name, SourceSettings(entry="context_messages", files=(str(file),)))
        ingest(lake, made)
        return made

    return make


def evaluation_texts(*texts):
    rows = [{"evaluation_set": "set", "item": str(n), "text": text} for n, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=schema_of("evaluation_texts"))


def reasons(lake):
    rows = lake.read("dropped_rows", table="prompts")
    return sorted(rows.select("source", "reason").rows())


def test_a_prompt_belongs_to_the_first_source_in_the_alphabet(lake, source):
    sources = [source("b", "hello there", ""), source("a", "hello there")]
    write_prompts(lake, sources, PromptSettings(), screened=False)
    assert lake.read("prompts")["source"].to_list() == ["a"]
    assert reasons(lake) == [("b", "duplicate_prompt"), ("b", "empty_turn")]
    with connect(lake) as connection:
        assert check(connection, "kept_and_dropped_add_up").is_empty()


def test_near_duplicates_go_only_where_the_recipe_asks(lake, source):
    made = source("a", STORY, STORY + "!")
    write_prompts(lake, [made], PromptSettings(), screened=False)
    assert lake.height("prompts") == 2
    write_prompts(lake, [made], ALIKE, screened=False)
    assert lake.height("prompts") == 1
    assert reasons(lake) == [("a", "near_duplicate")]


def test_a_prompt_that_an_evaluation_set_has_leaves_its_words_as_evidence(lake, source):
    lake.overwrite("evaluation_texts", evaluation_texts("something else", QUESTION))
    made = source("a", STORY, f"Answer at once. {QUESTION.upper()} Thank you.")
    write_prompts(lake, [made], PromptSettings(), screened=True)
    assert lake.height("prompts") == 1
    assert reasons(lake) == [("a", "contaminated")]
    (span,) = lake.read("contaminated_prompts").rows(named=True)
    assert (span["evaluation_set"], span["item"]) == ("set", "1")
    assert "leaves the old station at nine" in span["span"]


def test_texts_are_read_in_parts_and_the_rows_are_the_same(lake, source, monkeypatch):
    lake.overwrite("evaluation_texts", evaluation_texts(QUESTION, STORY))
    stories = [f"{STORY}, and says {n}" for n in range(3)]
    many = [f"number {n} of {n * n} and {n**3}, or rather {n**5 + 7 * n}" for n in range(200)]
    made = source("a", "one", *stories, *many, "one", QUESTION, stories[0] + "!", *stories)
    heights = []
    find = collection.find_contaminated

    def spy(prompts, *args):
        heights.append(prompts.height)
        return find(prompts, *args)

    monkeypatch.setattr(collection, "find_contaminated", spy)
    for name in ("BATCH_BYTES", "WINDOW_ROWS"):
        monkeypatch.setattr(f"transforms.lake.batched_reads.{name}", 1)
    tables = ("prompts", "contaminated_prompts", "dropped_rows", "source_rows")
    write_prompts(lake, [made], ALIKE, screened=True)
    whole = [lake.read(table) for table in tables]
    monkeypatch.setattr(collection, "PART_CHARS", 1)
    heights.clear()
    write_prompts(lake, [made], ALIKE, screened=True)
    assert len(heights) > 3
    assert max(heights) <= MIN_BATCH_ROWS
    for table, before in zip(tables, whole, strict=True):
        assert lake.read(table).equals(before)
    assert {"near_duplicate", "contaminated", "duplicate_prompt"} == {r for _, r in reasons(lake)}


def test_a_recipe_without_evaluation_sets_screens_against_none(lake, source):
    lake.overwrite("evaluation_texts", evaluation_texts(QUESTION))
    write_prompts(lake, [source("a", QUESTION)], PromptSettings(), screened=False)
    assert lake.height("prompts") == 1
    assert lake.height("evaluation_texts") == 0


def test_a_source_that_is_gone_leaves_no_account(lake, source):
    first, second = source("a", "one"), source("b", "two")
    write_prompts(lake, [first, second], PromptSettings(), screened=False)
    write_prompts(lake, [first], PromptSettings(), screened=False)
    assert lake.read("source_rows", table="prompts")["source"].to_list() == ["a"]
    with connect(lake) as connection:
        assert check(connection, "kept_and_dropped_add_up").is_empty()


def from_rows(lake, file, rows, **settings):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = resolve(
        "maths",
        SourceSettings(files=(str(file),), roles=("prompts",), **settings),
    )
    ingest(lake, source)
    return source


def test_references_of_a_column_stay_with_their_prompts(lake, tmp_path):
    rows = [
        {"prompt": "2 + 2?", "answer": "4"},
        {"prompt": "Why?", "answer": None},
        {"prompt": "How?", "answer": " "},
        {"prompt": "2 + 2?", "answer": "five"},
    ]
    source = from_rows(lake, tmp_path / "m.jsonl", rows, entry="prompt_text", reference="answer")
    write_prompts(lake, [source], PromptSettings(), screened=False)
    assert lake.read("prompts")["reference"].to_list() == ["4"]
    dropped = lake.read("dropped_rows", table="prompts").sort("row_key")
    assert dropped["reason"].to_list() == [
        "missing_reference", "missing_reference", "duplicate_prompt",
    ]  # fmt: skip


def test_each_instance_of_a_row_has_the_rows_reference(lake, tmp_path):
    instances = [{"input": "a", "output": ""}, {"input": "b", "output": ""}]
    rows = [{"instruction": "Copy", "instances": instances, "answer": "x"}]
    source = from_rows(
        lake, tmp_path / "m.jsonl", rows, entry="instruction_instances", reference="answer"
    )
    write_prompts(lake, [source], PromptSettings(), screened=False)
    assert lake.read("prompts")["reference"].to_list() == ["x", "x"]


def test_composed_prompts_have_their_instructions_as_reference(lake, tmp_path):
    rows = [{"prompt": "Why is the sky blue?"}]
    source = from_rows(lake, tmp_path / "m.jsonl", rows, entry="prompt_text", instructions=2)
    write_prompts(lake, [source], PromptSettings(), screened=False)
    (row,) = lake.read("prompts").to_dicts()
    for instruction in read_reference(row["reference"]):
        assert instruction.sentence in row["prompt"][-1]["content"]


def test_prompts_of_a_source_without_references_have_none(lake, source):
    write_prompts(lake, [source("a", QUESTION)], PromptSettings(), screened=False)
    assert lake.read("prompts")["reference"].to_list() == [None]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"entry": "context_messages", "reference": "context_messages"}, "is not text"),
        ({"entry": "messages", "reference": "answer"}, "only a source with the role prompts"),
    ],
)
def test_a_reference_that_cannot_be_read_is_refused(settings, fault):
    with pytest.raises(ValueError, match=fault):
        resolve("s", SourceSettings(files=("x.jsonl",), **settings))


def test_a_source_without_the_column_is_refused(lake, tmp_path):
    with pytest.raises(InputError, match="no column answer"):
        from_rows(
            lake, tmp_path / "m.jsonl", [{"prompt": "a"}], entry="prompt_text", reference="answer"
        )
