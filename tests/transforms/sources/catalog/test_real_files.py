"""Every preference, prompt and instruction file of the data folder, in its native layout."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.sources import Role, SourceSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.ingest import (
    ingest,
    standardise_demonstrations,
    standardise_pairs,
)
from transforms.sources.intake.preferences import split_pairs
from transforms.sources.intake.sources import resolve

FOLDERS = (
    "hh-rlhf",
    "labelled_pairs",
    "n_responses",
    "native_rows",
    "pairs",
    "prompts",
    "rm_bench",
    "rm_scores",
    "shp_schema",
    "text_score_lists",
    "ultrafeedback",
)
"""Folders of preferences, prompts and instructions; the others hold benchmarks."""


UNSCORED = "native_rows/ultrafeedback_native_1row_1completion.json"
"""One completion without a score: no entry reads it."""


class Case(NamedTuple):
    """A file, how it is read, and what comes of it."""

    files: str
    entry: str
    role: Role = "preferences"
    kept: int = 0
    dropped: dict[str, int] = {}  # noqa: RUF012 - a default that nobody changes
    options: dict[str, Any] = {}  # noqa: RUF012
    malformed: int = 0


FOLD = {"system_turn": "fold"}
MATH = "n_responses/math_n8_rm_scores_50.jsonl.gz"
TULU2 = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
TRAIN, FLIPPED = (f"ultrafeedback/{name}.jsonl.gz" for name in ("train_1000", "label_flip_10"))

CASES = [
    Case(
        "hh-rlhf/helpful-base_test.jsonl.gz",
        "hh_rlhf",
        kept=2333,
        dropped={"turn_mismatch": 9, "odd_turns": 6, "empty_turn": 4, "identical_response": 2},
    ),
    Case(
        "hh-rlhf/harmless-base_test.jsonl.gz",
        "hh_rlhf",
        kept=2299,
        dropped={"turn_mismatch": 5, "odd_turns": 4, "empty_turn": 4},
    ),
    Case(
        "shp_schema/hh_helpful_test_in_shp_schema.json.gz",
        "hh_in_shp_columns",
        kept=2332,
        dropped={"odd_turns": 6, "empty_turn": 4, "identical_response": 2},
    ),
    # 111 ties, one of them of equal responses; one response is a zero-width space
    Case(
        TRAIN,
        "metadata_scored_pairs",
        kept=883,
        dropped={"tie": 110, "identical_response": 4, "empty_turn": 3},
    ),
    # 100 labels are flipped, 11 of them of ties
    Case(
        FLIPPED,
        "metadata_scored_pairs",
        kept=795,
        dropped={"tie": 110, "label_conflict": 88, "identical_response": 4, "empty_turn": 3},
    ),
    Case("ultrafeedback/binarized_custom_10.jsonl", "scored_pairs", kept=10),
    Case("pairs/intel_orca_dpo_pairs_100.csv", "intel_orca", kept=100, options=FOLD),
    Case("pairs/intel_orca_dpo_pairs_100.csv", "intel_orca", kept=8, dropped={"odd_turns": 92}),
    Case("text_score_lists/webgpt_test.json.gz", "webgpt_lists", kept=656, dropped={"tie": 245}),
    Case(
        "pairs/beavertails_demo.json",
        "beavertails_rows",
        "demonstrations",
        kept=22,
        dropped={"undesirable": 29},
    ),
    Case("pairs/stack_exchange_paired_tiny.json", "stack_exchange_paired", kept=25),
    Case(
        "pairs/lmsys_arena_49.csv",
        "lmsys_arena",
        kept=24,
        dropped={"tie": 16, "prefix_mismatch": 9},
    ),
    # 80 rows begin with a system turn
    Case(
        "pairs/dpo_en_demo.json.gz",
        "sharegpt_pairs",
        kept=215,
        dropped={"odd_turns": 80, "duplicate_pair": 5},
    ),
    Case(
        "pairs/dpo_en_demo.json.gz",
        "sharegpt_pairs",
        kept=295,
        dropped={"duplicate_pair": 5},
        options=FOLD,
    ),
    Case(
        "pairs/kto_en_demo.json.gz",
        "kto_messages",
        "demonstrations",
        kept=150,
        dropped={"undesirable": 150},
    ),
    Case("pairs/v1_dpo_demo.jsonl", "typed_part_pairs", kept=10, options=FOLD),
    Case("labelled_pairs/llmbar_Natural.json", "llmbar", kept=100),
    Case("labelled_pairs/llmbar_Adversarial_Neighbor.json", "llmbar", kept=134),
    Case(
        "labelled_pairs/pandalm_testset_v1.json.gz",
        "pandalm",
        kept=760,
        dropped={"tie": 105, "duplicate_pair": 76, "empty_turn": 52},
        malformed=6,
    ),
    # two judges, the same 350 pairs
    Case("rm_scores", "judgebench", kept=350, dropped={"duplicate_pair": 350}),
    Case(
        "n_responses/oasst_rm_zh_ranked.json.gz",
        "oasst_ranked",
        kept=1798,
        dropped={"identical_response": 6, "duplicate_pair": 5},
    ),
    Case(
        "n_responses/qa_feedback_4way_human_250.json.gz",
        "qa_feedback",
        kept=1349,
        dropped={"tie": 151},
    ),
    Case(
        MATH,
        "math_rewards",
        kept=1129,
        dropped={"duplicate_pair": 121, "identical_response": 82, "tie": 68},
        options=FOLD,
    ),
    Case(
        MATH,
        "math_rewards",
        kept=55,
        dropped={"tie": 1263, "identical_response": 82},
        options={"score": "correctness", **FOLD},
    ),
    Case(
        TULU2,
        "tulu2_samples",
        kept=21672,
        dropped={
            "missing_score": 25996,
            "duplicate_pair": 230,
            "identical_response": 79,
            "tie": 23,
        },
    ),
    Case(TULU2, "tulu2_samples", "prompts", kept=400),
    Case("n_responses/alpaca_farm_multisamples_sft.json", "alpaca_multisamples", "prompts", kept=8),
    Case("rm_bench/chat_filtered.json.gz", "rm_bench", kept=387),
    Case(
        "rm_bench/safety-refuse_filtered.json.gz",
        "rm_bench",
        kept=2523,
        dropped={"duplicate_pair": 33},
        options={"styles": "all"},
    ),
    Case("native_rows/shp_native_1row.jsonl", "shp", kept=1),
    Case("native_rows/pku_saferlhf_native_4rows.jsonl", "pku_saferlhf_30k", kept=4),
    Case("prompts/code_alpaca_2k.json.gz", "alpaca", "prompts", kept=2017),
    Case(
        "prompts/code_alpaca_2k.json.gz",
        "alpaca",
        "demonstrations",
        kept=2015,
        dropped={"empty_turn": 2},
    ),
    Case("prompts/hh_rlhf_100.json", "prompt_text", "prompts", kept=100),
    Case("prompts/user_oriented_252.jsonl", "instruction_instances", "prompts", kept=252),
    Case("prompts/user_oriented_252.jsonl", "instruction_instances", "demonstrations", kept=252),
    Case("prompts/wizardlm_testset_218.jsonl", "wizardlm_testset", "prompts", kept=218),
]


@pytest.fixture(scope="module")
def manifest(real_data):
    """Rows of each file, as the folder's list says."""
    table = (real_data / "MANIFEST.md").read_text(encoding="utf-8")
    return {name: int(rows) for name, rows in re.findall(r"^\| (\S+) \| (\d+) \|", table, re.M)}


def take(rows):
    """Hold no prompt out."""
    return rows.with_columns(split=pl.lit("train")), pl.DataFrame(schema=schema_of("dropped_rows"))


def standard_rows(lake, source, role):
    """Standardise a source: candidates that came in, keys of the kept ones, `dropped_rows`."""
    if role == "prompts":
        layout = source.layout(role)
        parts = [
            split_prompt_rows(source.name, layout(raw, source.options), source.options)
            for raw in lake.read_frames(f"raw_{source.name}")
        ]
        kept, dropped = (pl.concat(frames) for frames in zip(*parts, strict=True))
        return kept.height + dropped.height, kept["row_key"], dropped
    if role == "preferences":
        table, candidates = "preference_pairs", standardise_pairs(lake, source, take)
    else:
        table = role
        candidates = standardise_demonstrations(lake, source, lambda rows: (rows, take(rows)[1]))
    return candidates, lake.read(table)["row_key"], lake.read("dropped_rows", table=table)


def native_keys(keys):
    """Row keys of the native rows that candidates' keys name."""
    return {key.split("#")[0] for joined in keys for key in joined.split("|")}


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda case: "-".join((case.entry, case.role, *map(str, case.options.values()))),
)
def test_a_file_gives_what_is_in_it(case, real_data, manifest, tmp_path):
    settings = SourceSettings(
        entry=case.entry,
        roles=(case.role,),
        files=(str(real_data / case.files),),
        options=case.options,
    )
    source = resolve("s", settings)
    lake = Lake(tmp_path)
    ingest(lake, source)
    raw = lake.read("raw_s")
    malformed = lake.read("dropped_rows", table="raw_s")
    assert malformed.height == case.malformed
    listed = [rows for name, rows in manifest.items() if name.startswith(case.files)]
    assert raw.height + malformed.height == sum(listed)
    assert lake.read("source_rows", table="raw_s")["rows_in"].to_list() == [sum(listed)]

    candidates, kept, dropped = standard_rows(lake, source, case.role)
    assert dict(dropped.group_by("reason").len().rows()) == case.dropped
    assert len(kept) == case.kept
    assert candidates == len(kept) + dropped.height
    assert dropped["evidence"].null_count() == 0
    assert native_keys([*kept, *dropped["row_key"]]) == set(raw["row_key"])


def test_a_source_of_which_no_row_can_be_used_is_refused(real_data, tmp_path):
    lake = Lake(tmp_path)

    def read(entry, file):
        source = resolve("s", SourceSettings(entry=entry, files=(str(real_data / file),)))
        ingest(lake, source)
        standardise_pairs(lake, source, take)

    with pytest.raises(InputError, match=r"(?s)51 rows, all dropped: 51 no_comparison\. Example"):
        read("beavertails_rows", "pairs/beavertails_demo.json")
    with pytest.raises(InputError, match=r"no column completions\.fine-grained_score"):
        read("ultrafeedback", UNSCORED)


def test_no_file_is_left_out(manifest):
    of_interest = {name for name in manifest if name.split("/")[0] in FOLDERS} - {UNSCORED}
    read = {name for name in of_interest for case in CASES if name.startswith(case.files)}
    assert read == of_interest
    assert {case.entry for case in CASES} <= set(CATALOGUE)


def test_the_recipe_reads_every_file(manifest):
    path = Path(__file__).resolve().parents[4] / "recipes" / "real_sources.yaml"
    sources = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"].values()
    named = [
        file.removeprefix("../../shared/data/") for source in sources for file in source["files"]
    ]
    of_interest = {name for name in manifest if name.split("/")[0] in FOLDERS} - {UNSCORED}
    assert {name for name in of_interest if name.startswith(tuple(named))} == of_interest


def raw_rows(real_data, tmp_path, files, entry):
    settings = SourceSettings(entry=entry, roles=("preferences",), files=(str(real_data / files),))
    lake = Lake(tmp_path)
    ingest(lake, resolve("s", settings))
    return lake.read("raw_s")


def test_flipped_labels_of_scored_pairs_are_conflicts_or_ties(real_data, tmp_path):
    entry = "metadata_scored_pairs"
    clean = raw_rows(real_data, tmp_path / "clean", TRAIN, entry)
    noisy = raw_rows(real_data, tmp_path / "noisy", FLIPPED, entry)
    assert clean["source_index"].equals(noisy["source_index"])
    scores = [pl.col("metadata").struct.field(f"score_{side}") for side in ("chosen", "rejected")]
    assert clean.filter(scores[0] == scores[1]).height == 111
    swapped = clean.with_columns(was=pl.col("chosen"), now=noisy["chosen"]).filter(
        pl.col("was") != pl.col("now")
    )
    assert swapped.height == 100
    assert noisy.filter(scores[0] < scores[1]).height == 89
    assert swapped.filter(scores[0] == scores[1]).height == 11


def test_the_second_text_of_webgpt_wins_308_times(real_data, tmp_path):
    raw = raw_rows(real_data, tmp_path, "text_score_lists/webgpt_test.json.gz", "webgpt_lists")
    entry = CATALOGUE["webgpt_lists"]
    candidates = entry.layouts["preferences"](raw, entry.options())
    first = pl.col("score").list.first() == pl.col("chosen_score")
    assert candidates.filter(~first).height == 308


def test_two_layouts_of_one_set_give_the_same_pairs(real_data, tmp_path):
    ids = []
    for files, entry in (
        ("hh-rlhf/helpful-base_test.jsonl.gz", "hh_rlhf"),
        ("shp_schema/hh_helpful_test_in_shp_schema.json.gz", "hh_in_shp_columns"),
    ):
        raw = raw_rows(real_data, tmp_path / entry, files, entry)
        candidates = CATALOGUE[entry].layouts["preferences"](raw, CATALOGUE[entry].options())
        ids.append(set(split_pairs(entry, candidates)[0]["pair_id"]))
    # the copy writes HUMAN: for Human: inside turns too, and lacks a few rows
    assert (len(ids[0]), len(ids[1]), len(ids[0] & ids[1])) == (2333, 2332, 2298)
