import polars as pl

from transforms.identity import (
    canonical_messages,
    derive_seed,
    digest,
    digest_settings,
    identify_messages,
)
from transforms.lake.schemas.table import MESSAGES


def ids(*prompts):
    frame = pl.DataFrame({"prompt": prompts}, schema={"prompt": MESSAGES})
    return frame.select(identify_messages("prompt")).to_series().to_list()


def turn(role, content):
    return {"role": role, "content": content}


def test_ids_are_stable_over_machines_and_versions():
    assert digest("") == "e3b0c44298fc1c149afbf4c8996fb924"
    assert ids([turn("user", "é")]) == [digest("user\x1fé\x1e")]


def test_turns_and_roles_do_not_run_together():
    prompts = [
        [turn("user", "ab")],
        [turn("user", "a"), turn("user", "b")],
        [turn("user", "a"), turn("assistant", "b")],
        [turn("usera", "b")],
        [],
    ]
    assert len(set(ids(*prompts))) == len(prompts)


def test_a_null_conversation_has_no_id():
    assert ids(None) == [None]
    empty = pl.DataFrame(schema={"prompt": MESSAGES})
    assert empty.select(canonical_messages("prompt")).schema["prompt"] == pl.String


def test_settings_ids_ignore_key_order():
    assert digest_settings({"a": 1, "b": [2]}) == digest_settings({"b": [2], "a": 1})
    assert digest_settings({"a": 1}) != digest_settings({"a": 2})


def test_derived_seeds_differ_by_name_and_fit_in_31_bits():
    seeds = {derive_seed(seed, name) for seed in range(20) for name in ("sft", "dpo")}
    assert len(seeds) == 40
    assert all(0 <= seed < 2**31 for seed in seeds)
