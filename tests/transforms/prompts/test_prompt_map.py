import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from transforms.errors import InputError
from transforms.identity import digest
from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import schema_of
from transforms.prompts.prompt_map import map_prompts, select_prompts_to_map
from transforms.settings.prompts import PromptMapSettings

TWO = PromptMapSettings(topics=2)
SUBJECTS = {
    "kitchen": ["bake bread dough", "bread in the oven", "knead dough", "bake dough in the oven"],
    "code": ["sort a python list", "python loop over a list", "a python loop", "sort python code"],
}


def made(texts, source="a"):
    return pl.DataFrame(
        {"prompt_id": [digest(text) for text in texts], "source": source, "text": texts}
    )


@pytest.fixture(scope="module")
def prompts():
    return pl.concat(
        made([f"{text} {number}" for text in texts for number in range(5)], source)
        for source, texts in SUBJECTS.items()
    )


def test_topics_are_found_and_named(prompts):
    points = map_prompts(prompts, TWO)
    assert (
        enforce_schema("prompt_map", points)
        .select("prompt_id", "source")
        .equals(prompts.select("prompt_id", "source"))
    )
    assert points.select("x", "y").null_count().row(0) == (0, 0)
    assert np.isfinite(points.select("x", "y").to_numpy()).all()
    by_topic = dict(points.group_by("topic").agg(pl.col("source").n_unique()).rows())
    assert by_topic == {0: 1, 1: 1}
    names = dict(points.select("source", "topic_terms").unique().rows())
    assert "python" in names["code"]
    assert "dough" in names["kitchen"]


def test_the_same_seed_draws_the_same_map(prompts):
    assert map_prompts(prompts, TWO).equals(map_prompts(prompts, TWO))


def test_embeddings_place_the_prompts_and_words_name_them(prompts):
    # against the words: vectors that part each subject's prompts by their number alone
    odd = np.array([int(text[-1]) % 2 for text in prompts["text"]])
    vectors = np.stack([odd, 1 - odd, np.linspace(0, 0.1, len(odd))], axis=1)
    points = map_prompts(prompts, TWO, vectors.astype(np.float32))
    found = points.with_columns(odd=pl.Series(odd)).select("topic", "odd").unique()
    assert sorted(found.rows()) == [(0, 0), (1, 1)]  # three even numbers of five: the larger first


def test_topics_are_numbered_by_size():
    texts = [f"bake bread {n}" for n in range(9)] + [f"sort list {n}" for n in range(4)]
    topics = map_prompts(made(texts), TWO)["topic"].to_list()
    assert topics == [0] * 9 + [1] * 4


@pytest.mark.filterwarnings("ignore:.*encountered in divide")  # equal vectors have no variance
@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["bake bread", "sort list"], "at least 3 prompts"),
        (["12", "the 13", "and 14"], "two letters"),
        (["bread", "bread 1", "bread 2"], "two different words"),
        (["bake bread", "bake bread 1", "bake bread 2"], "prompts that differ"),
    ],
)
def test_prompts_that_cannot_be_mapped_are_refused(texts, match):
    with pytest.raises(InputError, match=match):
        map_prompts(made(texts), TWO)


def test_a_prompt_without_words_lies_on_the_map():
    points = map_prompts(made(["bake bread", "bake the bread", "bread: bake", "12", "34"]), TWO)
    assert np.isfinite(points.select("x", "y").to_numpy()).all()
    assert "(no words)" in set(points["topic_terms"])


words = st.sampled_from(["bake", "bread", "sort", "list", "the", "7", "ß", "don't", "日本", ""])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(words, max_size=6).map(" ".join), min_size=3, max_size=25, unique=True))
def test_every_prompt_is_placed_or_all_are_refused(texts):
    try:
        points = map_prompts(made(texts), TWO)
    except InputError:
        return
    assert points.height == len(texts)
    assert np.isfinite(points.select("x", "y").to_numpy()).all()


def table(name, rows):
    return pl.DataFrame(rows, schema=schema_of(name))


def test_prompts_to_map_are_the_used_ones_as_the_user_wrote_them():
    turns = [("system", "be kind"), ("user", "hello"), ("assistant", "hi"), ("user", "bye")]
    prompt = [{"role": role, "content": content} for role, content in turns]
    rows = [{"prompt_id": key, "source": "a", "prompt": prompt} for key in "cab"]
    splits = table("prompt_splits", [{"prompt_id": key, "split": "iteration_1"} for key in "abx"])
    found = select_prompts_to_map(table("prompts", rows), splits, TWO)
    assert found.rows() == [("a", "a", "hello\nbye"), ("b", "a", "hello\nbye")]


def test_a_sample_is_of_every_split_and_grows_with_its_limit():
    rows = [{"prompt_id": digest(str(n)), "source": "a", "prompt": []} for n in range(1000)]
    prompts = table("prompts", rows)
    first = prompts["prompt_id"].str.slice(0, 1).str.to_integer(base=16)
    split = pl.Series("split", ["low" if digit < 8 else "high" for digit in first])
    splits = prompts.select("prompt_id", split)
    small = select_prompts_to_map(prompts, splits, PromptMapSettings(max_prompts=100))
    large = select_prompts_to_map(prompts, splits, PromptMapSettings(max_prompts=300))
    other = select_prompts_to_map(prompts, splits, PromptMapSettings(max_prompts=100, seed=1))
    assert (small.height, large.height) == (100, 300)
    assert set(small["prompt_id"]) < set(large["prompt_id"])
    assert set(small["prompt_id"]) != set(other["prompt_id"])
    assert set(small.join(splits, on="prompt_id")["split"]) == {"low", "high"}


def test_a_revision_without_a_model_is_refused():
    with pytest.raises(ValidationError, match="embedding_model is not"):
        PromptMapSettings(embedding_revision="abc")
