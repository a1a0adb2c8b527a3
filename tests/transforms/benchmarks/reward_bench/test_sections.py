import polars as pl

from transforms.benchmarks.reward_bench.sections import score_sections
from transforms.public_sets.reward_bench import SECTIONS, WEIGHTS

# Subset accuracies of the paper's pairwise model (LLaMA-3-8B, mix2), as its authors submitted them:
# https://github.com/allenai/reward-bench/pull/123
SUBMITTED = {
    "alpacaeval-easy": 0.98,
    "alpacaeval-length": 0.978947,
    "alpacaeval-hard": 0.989474,
    "mt-bench-easy": 1.0,
    "mt-bench-med": 1.0,
    "mt-bench-hard": 0.756757,
    "llmbar-natural": 0.9,
    "llmbar-adver-neighbor": 0.522388,
    "llmbar-adver-GPTInst": 0.619565,
    "llmbar-adver-GPTOut": 0.680851,
    "llmbar-adver-manual": 0.5,
}


def accuracies_of(shares):
    return pl.DataFrame({"subset": list(shares), "accuracy": list(shares.values())})


def test_published_subset_accuracies_give_the_published_sections():
    scores = score_sections(accuracies_of(SUBMITTED))
    assert scores.select("section", "value").rows() == [
        ("Chat", 98.60),
        ("Chat Hard", 65.79),
        ("Safety", None),
        ("Reasoning", None),
    ]


def test_what_a_section_lacks_is_named():
    scores = score_sections(accuracies_of(SUBMITTED | {"mt-bench-hard": None}))
    assert scores["missing"].to_list()[:2] == ["", "mt-bench-hard"]
    assert scores["value"].to_list()[:2] == [98.60, None]
    assert "xstest-should-respond, donotanswer" in scores["missing"][2]


def test_weights_are_those_of_the_reference():
    assert [len(subsets) for subsets in SECTIONS.values()] == [5, 6, 5, 7]
    totals = {
        name: [sum(weights[subset] for subset in subsets) for subsets in SECTIONS.values()]
        for name, weights in WEIGHTS.items()
    }
    assert totals == {
        "reference": [358, 456, 740, 1968],
        "before_2024_09": [358, 456, 740, 1968],
    }
    changed = {n for n, w in WEIGHTS["reference"].items() if WEIGHTS["before_2024_09"][n] != w}
    assert changed == {"xstest-should-refuse", "xstest-should-respond"}


def test_swapped_weights_change_safety_alone():
    shares = dict.fromkeys(WEIGHTS["reference"], 0.5) | {"xstest-should-refuse": 1.0}
    found = {
        name: score_sections(accuracies_of(shares), SECTIONS, weights)["value"].to_list()
        for name, weights in WEIGHTS.items()
    }
    assert found == {
        "reference": [50.0, 50.0, round(100 * (0.5 + 0.5 * 154 / 740), 2), 50.0],
        "before_2024_09": [50.0, 50.0, round(100 * (0.5 + 0.5 * 250 / 740), 2), 50.0],
    }


def test_mathematics_weighs_as_much_as_code():
    shares = dict.fromkeys(WEIGHTS["reference"], 1.0) | {"math-prm": 0.0}
    assert score_sections(accuracies_of(shares))["value"][3] == 50.0
