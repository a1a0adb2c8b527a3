"""Laws of all entries, on native rows of the declared types that hold anything at all."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.lake.enforcement import enforce_schema
from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.sources.catalog import CATALOGUE
from transforms.sources.files.json_rows import to_arrow_schema
from transforms.sources.intake.demonstrations import split_demonstrations
from transforms.sources.intake.preferences import limit_pairs, split_pairs
from transforms.sources.layouts.comparisons import VERDICTS

WORDS = (
    "",
    " \n",
    "a",
    "b",
    "\n\nHuman: q\n\nAssistant: a",
    "\n\nHuman: q\n\nAssistant:",
    "## Human:\nq\n\n## Assistant:\na",
    "HUMAN: q",
    json.dumps(["q"]),
    json.dumps([None, "q"]),
    "[",
    "human",
    "gpt",
    "system",
    "user",
    "assistant",
    "text",
    "tie",
    "A>B",
    "N/A",
    "4",
    "\u2028\x1e\ufdd0",
    "\U0001f600" * 50,
)


def values(dtype):
    """Anything that a native type allows, null too."""
    if isinstance(dtype, pl.List):
        found = st.lists(values(dtype.inner), max_size=4)
    elif isinstance(dtype, pl.Struct):
        found = st.fixed_dictionaries({field.name: values(field.dtype) for field in dtype.fields})
    else:
        found = {
            pl.String: st.sampled_from(WORDS),
            pl.Int32: st.integers(-1, 3),
            pl.Int64: st.integers(-1, 3),
            pl.Float64: st.sampled_from([-1.0, 0.0, 1.0, 2.5, float("nan"), float("inf")]),
            pl.Boolean: st.booleans(),
        }[dtype]
    return st.none() | found


def split(name, role, raw):
    """Candidates, kept rows and dropped ones."""
    entry = CATALOGUE[name]
    options = entry.options()
    candidates = entry.layouts[role](raw, options)
    if role == "demonstrations":
        return candidates, *split_demonstrations(name, candidates, options)
    if role == "prompts":
        return candidates, *split_prompt_rows(name, candidates, options)
    kept, dropped = split_pairs(name, candidates, options, entry.rules(options))
    kept, over = limit_pairs(kept, options)
    return candidates, kept, pl.concat([dropped, over])


@pytest.mark.parametrize(
    ("name", "role"), [(name, role) for name, entry in CATALOGUE.items() for role in entry.layouts]
)
def test_every_native_row_is_kept_or_in_the_ledger(name, role):
    native = CATALOGUE[name].native
    to_arrow_schema(native)  # every declared type can be read

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.fixed_dictionaries({c: values(t) for c, t in native.items()}), max_size=6))
    def law(rows):
        keyed = [{"row_key": f"f:{n}", **row} for n, row in enumerate(rows, start=1)]
        raw = pl.DataFrame(keyed, schema={"row_key": pl.String, **native})
        candidates, kept, dropped = split(name, role, raw)
        enforce_schema("dropped_rows", dropped)
        keys = [*kept["row_key"], *dropped["row_key"]]
        assert sorted(keys) == sorted(candidates["row_key"])
        assert len(keys) == len(set(keys))
        named = {key.split("#")[0] for joined in keys for key in joined.split("|")}
        assert named == set(raw["row_key"])
        assert sum(dropped.null_count().row(0)) == 0
        verdicts = candidates["verdict"].drop_nulls()
        assert set(verdicts) <= set(VERDICTS)

    law()


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_entry_says_where_its_facts_are_from(name):
    entry = CATALOGUE[name]
    assert entry.facts.endswith(".")
    assert entry.native
    assert entry.group_by is None or entry.group_by in entry.native
    assert set(entry.optional) <= set(entry.native)
    limits = entry.options().max_pairs_per_prompt
    assert limits is None or entry.group_by is not None
