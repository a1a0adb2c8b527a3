"""Bench sets over literal rows, and over the published files where they are at hand."""

import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from transforms.benchmarks.reward_bench.pairs import read_bench_set, to_bench_pairs
from transforms.benchmarks.reward_bench.results import measure_bench_set
from transforms.public_sets.labelled_pairs import format_style_cell
from transforms.public_sets.registry import BENCHMARK_SETS, LABELLED_PAIRS
from transforms.settings.sources import OriginSettings

REAL = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
LABELS = {"model": "m", "model_id": "i", "kind": "reward_model", "mixture": "all"}
JUDGED = {"question": "Why?", "response_A": "so", "response_B": "no", "source": "mmlu-pro-law"}
LLMBAR = {"input": "Why?", "output_1": "so", "output_2": "no", "label": 1}
STYLED = {"prompt": "Why?", "chosen": ["a", "b", "c"], "rejected": ["x", "y", "z"]}


def real(*files):
    paths = [REAL / file for file in files]
    for path in paths:
        if not path.is_file():
            pytest.skip(f"PREFLOOP_TEST_DATA has no {path.name}")
    return OriginSettings(files=tuple(map(str, paths)))


def raw(name, *rows, origin="file"):
    schema = {"row_key": pl.String, **BENCHMARK_SETS[name].parts["pairs"].native}
    keyed = [{"row_key": f"{origin}:{number}", **row} for number, row in enumerate(rows, 1)]
    return pl.DataFrame(keyed, schema=schema)


def texts(pairs):
    """Subset, prompt, chosen, rejected, as text."""
    sides = [
        pl.col(side).list.first().struct.field("content").alias(side)
        for side in ("prompt", "chosen", "rejected")
    ]
    return pairs.select("subset", *sides).rows()


def results_of(name, pairs, rewards):
    entry = LABELLED_PAIRS[name]
    return measure_bench_set(pairs, rewards, entry.sections, entry.weights, bench=name, **LABELS)


def sections_of(results, metric="pair_accuracy"):
    rows = results.filter(level="section", metric=metric)
    return dict(zip(rows["name"], rows["value"], strict=True))


def by_length(pairs):
    """Rewards of a reward model that counts characters."""
    sides = [
        pl.col(side)
        .list.first()
        .struct.field("content")
        .str.len_chars()
        .cast(pl.Float64)
        .alias(f"{side}_reward")
        for side in ("chosen", "rejected")
    ]
    return pairs.select("pair_id", *sides)


def test_reward_bench_rows():
    row = {"prompt": "Why?", "chosen": "so", "rejected": "no", "subset": "hep-go", "id": 7}
    pairs = to_bench_pairs("reward_bench", raw("reward_bench", row, row | {"id": 8}))
    assert texts(pairs) == [("hep-go", "Why?", "so", "no")] * 2
    assert pairs["pair_id"].to_list() == ["hep-go:7", "hep-go:8"]
    first = pairs.row(0, named=True)
    assert [first[side][0]["role"] for side in ("prompt", "chosen", "rejected")] == [
        "user",
        "assistant",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("origin", "subset"),
    [
        ("llmbar_Natural.json", "llmbar-natural"),
        ("Natural/dataset.json", "llmbar-natural"),
        ("Adversarial/Neighbor/dataset.json", "llmbar-adver-neighbor"),
        ("Adversarial/GPTOut/dataset.json", "llmbar-adver-GPTOut"),
    ],
)
def test_llmbar_takes_the_subset_from_the_file(origin, subset):
    rows = raw("llmbar", LLMBAR, LLMBAR | {"label": 2}, origin=origin)
    pairs = to_bench_pairs("llmbar", rows)
    assert texts(pairs) == [(subset, "Why?", "so", "no"), (subset, "Why?", "no", "so")]


def test_judge_bench_rows():
    rows = raw(
        "judge_bench",
        JUDGED | {"pair_id": "1", "label": "A>B"},
        JUDGED | {"pair_id": "2", "label": "B>A", "source": "livebench-math"},
    )
    assert texts(to_bench_pairs("judge_bench", rows)) == [
        ("mmlu-pro", "Why?", "so", "no"),
        ("livebench-math", "Why?", "no", "so"),
    ]


def test_rm_bench_rows_make_a_matrix():
    pairs = to_bench_pairs("rm_bench", raw("rm_bench", STYLED))
    assert pairs.height == 9
    assert ("concise chosen, markdown rejected", "Why?", "a", "z") in texts(pairs)
    cells = {name: set(subsets) for name, subsets in LABELLED_PAIRS["rm_bench"].sections.items()}
    assert "concise chosen, markdown rejected" in cells["hard"]
    assert "markdown chosen, concise rejected" in cells["easy"]
    assert cells["easy"] | cells["normal"] | cells["hard"] == cells["average"]
    assert [len(cells[name]) for name in ("easy", "normal", "hard", "average")] == [3, 3, 3, 9]


@pytest.mark.parametrize("name", LABELLED_PAIRS)
def test_every_set_weighs_its_subsets(name):
    entry = LABELLED_PAIRS[name]
    assert to_bench_pairs(name, raw(name)).is_empty()
    subsets = {subset for part in entry.sections.values() for subset in part}
    for weights in entry.weights.values():
        assert not weights or set(weights) == subsets


# The authors' own accuracies of the two files, in which a tie is wrong, and ties (here one half).
JUDGE_BENCH = {
    "Skywork_Skywork-Reward-Llama-3.1-8B": (
        {"Knowledge": 59.09, "Reasoning": 64.29, "Math": 76.79, "Coding": 50.0, "Overall": 62.29},
        {"Coding": (1, 42), "Overall": (1, 350)},
    ),
    "internlm_internlm2-7b-reward": (
        {"Knowledge": 56.49, "Reasoning": 61.22, "Math": 71.43, "Coding": 50.0, "Overall": 59.43},
        {},
    ),
}


@pytest.mark.parametrize("model", JUDGE_BENCH)
def test_judge_bench_with_a_real_models_rewards(model):
    origin = real(f"rm_scores/judgebench_{model}.jsonl.gz")
    pairs = read_bench_set("judge_bench", origin)
    with gzip.open(origin.files[0], "rt", encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    stored = [row["judgments"][0]["judgment"]["scores"] for row in rows]
    # the second judgment is of the swapped pair: a reward model does not see the order
    assert [row["judgments"][1]["judgment"]["scores"][::-1] for row in rows] == stored
    ordered = [
        (row["pair_id"], *(scores if row["label"] == "A>B" else scores[::-1]))
        for row, scores in zip(rows, stored, strict=True)
    ]
    schema = {"pair_id": pl.String, "chosen_reward": pl.Float64, "rejected_reward": pl.Float64}
    results = results_of("judge_bench", pairs, pl.DataFrame(ordered, schema=schema, orient="row"))
    published, ties = JUDGE_BENCH[model]
    found = sections_of(results)
    for section, value in published.items():
        tied, of = ties.get(section, (0, 1))
        assert found[section] == pytest.approx(value + 100 * 0.5 * tied / of, abs=0.011), section
    # the authors' decision is the sign of the difference, except that a tie has none
    decided = [
        (row["judgments"][0]["decision"] == row["label"], scores[0] != scores[1])
        for row, scores in zip(rows, stored, strict=True)
    ]
    assert (
        round(100 * sum(right for right, clear in decided if clear) / 350, 2)
        == (published["Overall"])
    )
    assert set(results["pairs"]) == {350, 154, 98, 56, 42}


def test_rm_bench_with_length_as_reward():
    files = ("rm_bench/chat_filtered.json.gz", "rm_bench/safety-refuse_filtered.json.gz")
    origin = real(*files)
    pairs = read_bench_set("rm_bench", origin)
    items = [
        item
        for file in origin.files
        for item in json.loads(gzip.decompress(Path(file).read_bytes()))
    ]
    assert pairs.height == 9 * len(items) == 9 * 413
    results = results_of("rm_bench", pairs, by_length(pairs))
    # the matrix again, without a table in between
    matrix = [
        [
            100
            / len(items)
            * sum(
                (len(item["chosen"][i]) > len(item["rejected"][j]))
                + (len(item["chosen"][i]) == len(item["rejected"][j])) / 2
                for item in items
            )
            for j in range(3)
        ]
        for i in range(3)
    ]
    cells = results.filter(level="subset", metric="pair_accuracy")
    found = dict(zip(cells["name"], cells["value"], strict=True))
    for i in range(3):
        for j in range(3):
            assert found[format_style_cell(i, j)] == pytest.approx(matrix[i][j])
    means = {
        "easy": (matrix[1][0] + matrix[2][0] + matrix[2][1]) / 3,
        "normal": (matrix[0][0] + matrix[1][1] + matrix[2][2]) / 3,
        "hard": (matrix[0][1] + matrix[0][2] + matrix[1][2]) / 3,
    }
    means["average"] = sum(means.values()) / 3
    assert sections_of(results) == pytest.approx(means, abs=0.006)
    # a reward that is the length is what the baseline measures
    assert sections_of(results) == sections_of(results, "longer_wins")
    # the styles are longer in their order: length alone fails where the rejected one is richer
    assert means["easy"] > 80
    assert means["hard"] < 20


def test_llmbar_has_two_subsets_of_reward_bench():
    origin = real(
        "labelled_pairs/llmbar_Natural.json", "labelled_pairs/llmbar_Adversarial_Neighbor.json"
    )
    pairs = read_bench_set("llmbar", origin)
    counts = dict(pairs["subset"].value_counts().rows())
    weights = LABELLED_PAIRS["reward_bench"].weights["reference"]
    assert counts == {subset: weights[subset] for subset in counts}
    assert sorted(counts) == ["llmbar-adver-neighbor", "llmbar-natural"]
    results = results_of("llmbar", pairs, by_length(pairs)).filter(level="section")
    natural, adversarial = results.filter(metric="pair_accuracy").to_dicts()
    labels = [json.loads(Path(file).read_text(encoding="utf-8")) for file in origin.files]
    right = sum(
        (len(row["output_1"]) > len(row["output_2"])) == (row["label"] == 1)
        if len(row["output_1"]) != len(row["output_2"])
        else 0.5
        for row in labels[0]
    )
    assert natural["value"] == pytest.approx(right, abs=0.006)  # of 100 pairs
    assert adversarial["value"] is None
    assert adversarial["missing"] == (
        "llmbar-adver-GPTInst, llmbar-adver-GPTOut, llmbar-adver-manual"
    )
    assert (
        results_of("reward_bench", pairs, by_length(pairs))
        .filter(level="section")["value"]
        .null_count()
        == 4 * 2 * 2
    )
