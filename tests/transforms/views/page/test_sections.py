"""Sections of a page, of the small lake and of literal rows; whatever has no figure."""

import json

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.page.blocks import Example, Facts, Figure, Group, Node, Section, Table, Text
from transforms.views.page.experiment_settings import compare_settings
from transforms.views.page.opened_lake import Source
from transforms.views.page.sections import (
    answer,
    benchmarks,
    browse,
    data,
    provenance,
    results,
    study,
    training,
)
from transforms.views.query import connect_frames


def tables_of(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def cells_of(table: Table) -> list[tuple[str, ...]]:
    return [tuple(row.cells) for row in table.rows]


def test_the_first_section_says_what_was_tried_and_what_came_of_it(source: Source) -> None:
    section = answer.show_answer(source)
    tried, *sentences = [block for block in section.blocks if isinstance(block, Text)]
    assert tried.text == (
        "2 experiments (concise, iterative) with 2 iterations, from random weights; 25 s of "
        "computing. Each iteration samples responses to each of 3 prompts, orders them by their "
        "rewards (reward_model) and trains the next policy on them."
    )
    headlines = [one.text.partition(" is ")[0] for one in sentences if one.is_headline]
    assert headlines == [
        "Sampled: concise/2", "Sampled: iterative/2", "Greedy: concise/2", "Greedy: iterative/2",
    ]  # fmt: skip
    (figure,) = [block for block in section.blocks if isinstance(block, Figure)]
    assert "hollow marks: greedy" in figure.caption
    differing = tables_of(section)[0]
    assert cells_of(differing) == [("concise", "0.01"), ("iterative", "0")]


def test_the_facts_say_what_was_made(source: Source) -> None:
    facts, settings = study.show_study(source).blocks
    assert isinstance(facts, Facts)
    assert isinstance(settings, Table)
    told = {fact.name: fact.text for fact in facts.facts}
    assert told["Experiments"] == "concise, iterative"
    assert told["Made"] == "2026-01-02 03:00 to 2026-01-02 03:05 UTC"
    assert told["Work"] == "15 s in 6 materializations, 12 MB written"
    assert told["sft_policy, the reference of DPO"] == "0aaaaaaaaaaa"
    assert told["Rankers"] == "reward_model rrrrrrrrrrrr"
    assert told["DPO pairs"] == "12 (table dpo_pairs@0)"
    assert settings.folded


def made(experiment: str, asset: str, minute: int = 0, **settings: object) -> dict[str, object]:
    return {
        "experiment": experiment, "asset": asset, "settings": json.dumps(settings),
        "commit_version": minute,
    }  # fmt: skip


def test_experiments_differ_by_what_both_have_recorded() -> None:
    rows = [
        made("shared", "sft_policy", sft={"epochs": 1}),
        made("e", "iteration_1/policy", dpo={"beta": 0.1}, seed=0),
        made("f", "iteration_1/policy", dpo={"beta": 0.5}, seed=0),
        made("f", "iteration_1/policy", minute=1, dpo={"beta": 0.2, "loss": "ipo"}, seed=0),
        made("e", "iteration_2/policy", dpo={"beta": 0.1}, seed=0),
        made("e", "evaluation", samples=4),  # f has no evaluation yet: no difference
    ]
    found = compare_settings(pl.DataFrame(rows, schema_of("materializations")))
    assert found.to_dicts() == [
        {"experiment": "e", "dpo.beta": "0.1", "dpo.loss": None},
        {"experiment": "f", "dpo.beta": "0.2", "dpo.loss": "ipo"},
    ]


def test_another_objective_is_one_difference_and_not_one_for_each_of_its_settings() -> None:
    rows = [
        made("e", "iteration_1/policy", dpo={"beta": 0.1, "epochs": 2.0}),
        made("f", "iteration_1/policy", raft={"epochs": 1.0}),
        made("g", "iteration_1/policy", dpo={"beta": 0.2, "epochs": 2.0}),
    ]
    found = compare_settings(pl.DataFrame(rows, schema_of("materializations")))
    assert found.to_dicts() == [
        {"experiment": "e", "dpo.beta": "0.1", "objective": "dpo"},
        {"experiment": "f", "dpo.beta": None, "objective": "raft"},
        {"experiment": "g", "dpo.beta": "0.2", "objective": "dpo"},
    ]


def test_another_objective_in_the_first_iteration_is_shown() -> None:
    rows = [
        made("e", "iteration_1/policy", dpo={"beta": 0.1}),
        made("f", "iteration_1/policy", raft={"epochs": 1.0}),
        *(made(name, f"iteration_{t}/policy", dpo={"beta": 0.1}) for name in "ef" for t in (2, 3)),
    ]
    found = compare_settings(pl.DataFrame(rows, schema_of("materializations")))
    assert found.to_dicts() == [
        {"experiment": "e", "objective": "dpo"},
        {"experiment": "f", "objective": "raft, dpo"},
    ]


def test_selected_policies_are_laid_out_over_the_baselines() -> None:
    def contrast(experiment: str, metric: str, versus: str, value: float) -> dict[str, object]:
        return {
            "experiment": experiment, "selected": "iteration_2", "metric": metric,
            "versus": versus, "difference": value, "difference_se": 0.5, "z": 2 * value,
        }  # fmt: skip

    contrasts = pl.DataFrame(
        [
            contrast("e", "reward", "sft_policy", 2.0),
            contrast("e", "reward", "offline_dpo", -3.0),
            contrast("f", "reward", "sft_policy", 0.5),
            contrast("e", "response_chars", "sft_policy", 7.0),
        ]
    )
    found = answer.subtract_baselines(contrasts, "reward")
    assert found.select("experiment", "sft_policy", "offline_dpo", "longer_chars").rows() == [
        ("e", 2.0, -3.0, 7.0),
        ("f", 0.5, None, None),
    ]


def test_the_selection_has_its_metric_and_the_decision_on_promotion(source: Source) -> None:
    chosen, decisions = tables_of(results.show_selection(source))
    assert [row.kind for row in chosen.rows] == ["", "selected", "", "selected"]
    assert [column.title for column in chosen.columns][3] == "gold reward"
    assert "gsm8k falls by 4 points" in decisions.rows[0].cells
    assert {"0.250", "0.125", "0.375"} <= set(decisions.rows[0].cells)


def groups_of(section: Section | Group) -> dict[str, Group]:
    return {block.caption: block for block in section.blocks if isinstance(block, Group)}


def examples_of(group: Group) -> list[Example]:
    return [block for block in group.blocks if isinstance(block, Example)]


def test_answers_are_of_the_selected_policies_beside_the_first_one(source: Source) -> None:
    groups = groups_of(browse.show_answers(source))
    assert list(groups) == [
        "concise/2, beside sft_policy",
        "iterative/2, beside sft_policy",
        "The first prompts by id, models side by side",
    ]
    cases = groups_of(groups["iterative/2, beside sft_policy"])
    assert list(cases) == [
        "Best: gold reward rises (3 of 3 prompts)",
        "Worst: gold reward falls (0 of 3 prompts)",
        "Gamed: reward rises, gold reward falls (0 of 3 prompts)",
    ]
    best, *_ = examples_of(cases["Best: gold reward rises (3 of 3 prompts)"])
    assert best.prompt == "user: question p2 <b>"  # the gold reward rises by 0.6 + 0.2 * 2 * 2
    assert [answer[::2] for answer in best.answers] == [
        ("sft_policy", "reward 0.200, gold reward 0.400, 4 tokens"),
        ("iterative/2", "reward 1.400, gold reward 1.800, 6 tokens"),
    ]


def test_the_first_prompts_have_the_answers_of_models_side_by_side(source: Source) -> None:
    groups = groups_of(browse.show_answers(source))
    examples = examples_of(groups["The first prompts by id, models side by side"])
    assert [one.prompt for one in examples] == [f"user: question p{n} <b>" for n in range(3)]
    assert [label for label, _, _ in examples[0].answers] == [
        "sft_policy", "offline_dpo", "concise/2", "iterative/2",
    ]  # fmt: skip
    assert examples[0].answers[3][1:] == (
        "answer of iteration_2/policy",
        "reward 1.200, gold reward 0.600, 6 tokens",
    )


def test_pairs_are_shown_by_margin_and_by_length(source: Source) -> None:
    slices = groups_of(browse.show_pairs_to_read(source))
    assert next(iter(slices)) == "concise, iteration 1 (3 pairs)"
    assert len(slices) == 4
    parts = groups_of(slices["iterative, iteration 2 (3 pairs)"])
    assert list(parts) == list(browse.PAIR_GROUPS)
    shown = examples_of(parts["Largest margins"])
    assert [one.answers for one in shown] == [
        [("chosen", "yes", "3 characters"), ("rejected", "no", "2 characters")]
    ] * 3


def test_every_training_has_its_curves_and_its_last_values(small_lake: Lake) -> None:
    lake = Lake(small_lake.root.parent / "trained")
    own = {"experiment": "e", "iteration": 1, "asset": "iteration_1/policy"}
    logged = [
        ({"experiment": "shared", "iteration": 0, "asset": "sft_policy"}, "loss", 2.0),
        (own, "loss", 0.5),
        (own, "rewards/accuracies", 0.75),
        (own, "mean_token_accuracy", 0.1),
        (own, "rewards/margins", 0.25),
    ]
    rows = [
        {**key, "step": step, "epoch": step / 10, "metric": metric, "value": value / step}
        for key, metric, value in logged
        for step in (10, 20)
    ]
    lake.overwrite("training_metrics", pl.DataFrame(rows, schema_of("training_metrics")))
    with connect_frames({}) as connection:
        shared, trained, ends = training.show_training(Source("x", lake, connection)).blocks
    assert isinstance(shared, Figure)
    assert isinstance(trained, Figure)
    assert "accuracy" not in shared.svg
    assert all(title in trained.svg for title in ("loss", "accuracy", "margin"))
    assert isinstance(ends, Table)
    assert [row.cells[:4] for row in ends.rows] == [
        ["shared", "sft_policy", "20", "2.000"], ["e", "iteration_1/policy", "20", "2.000"],
    ]  # fmt: skip
    # of two accuracies of DPO, that of the pairs counts
    assert ends.rows[1].cells[4:] == ["0.0250", "0.0375", "0.0125"]


def test_costs_are_summed_and_unknown_tokens_stay_empty(source: Source) -> None:
    by_stage, by_experiment, every = tables_of(provenance.show_costs(source))
    assert cells_of(by_stage) == [
        ("policy", "4", "10.00", "0.667", "400", "8.000"),
        ("offline_dpo", "1", "2.500", "0.167", "", "2.000"),
        ("sft_policy", "1", "2.500", "0.167", "", "2.000"),
    ]
    assert [row.cells[0] for row in by_experiment.rows] == ["concise", "iterative", "shared"]
    assert every.folded


def names_of(node: Node) -> list[str]:
    return [node.name, *(name for below in node.inputs for name in names_of(below))]


def test_the_tree_draws_what_occurs_twice_once(source: Source) -> None:
    first, second = provenance.show_lineage(source).blocks
    assert (first.folded, second.folded) == (False, True)
    assert names_of(first.root) == [
        "iteration_2/policy 0c2ccccccccc", "sft_policy 0aaaaaaaaaaa",
        "iteration_2/dpo_pairs dpo_pairs@2", "sft_policy 0aaaaaaaaaaa",
    ]  # fmt: skip
    assert first.root.inputs[1].inputs[0].note == "see above"


def test_dropped_rows_are_counted(source: Source) -> None:
    (table,) = tables_of(data.show_dropped(source))
    assert cells_of(table) == [("prompts", "s", "near_duplicate", "1", "1.000")]


@pytest.mark.parametrize(
    "section", [benchmarks.show_chat, benchmarks.show_academic, benchmarks.show_ablations]
)
def test_benchmarks_that_were_not_run_are_no_table(section, source: Source) -> None:
    found = section(source)
    assert not found.blocks
    assert found.absent.startswith("There are rows once a policy")
    assert "(recipe key" in found.absent


def test_our_rows_stand_above_the_papers(small_lake: Lake) -> None:
    row = {
        "experiment": "e", "iteration": 1, "model": "iteration_1/policy", "policy_id": "c",
        "benchmark": "mmlu", "subset": "all", "metric": "accuracy", "value": 25.04,
        "standard_error": 1.26, "items": 9,
    }  # fmt: skip
    frame = pl.DataFrame([row], schema_of("benchmark_results"))
    with connect_frames({"benchmark_results": frame}) as connection:
        (table,) = tables_of(benchmarks.show_academic(Source("x", small_lake, connection)))
    titles = [(column.title, column.unit) for column in table.columns]
    assert titles[0] == ("model", "")
    assert ("MMLU", "%") in titles
    place = titles.index(("MMLU", "%"))
    assert [(row.cells[0], row.cells[place], row.kind) for row in table.rows] == [
        ("e: iteration_1", "25.0 ± 1.3", ""),
        ("LLaMA-3-8B-it", "66.0", "paper"),
        ("Ours (SFT baseline)", "64.7", "paper"),
        ("Ours (DPO baseline)", "64.5", "paper"),
        ("Ours (Iterative RLHF)", "65.3", "paper"),
    ]
    assert "Table 5, page 18" in table.caption


@pytest.mark.parametrize(
    ("base", "start"),
    [
        ("random weights", "random weights"),
        ("meta-llama/Llama-3.1-8B", "the model Llama-3.1-8B"),
        ("/data/models/policy/", "the model policy"),
        (f"sha256:{'b179c952' * 8}", "the GGUF file whose SHA-256 begins with b179c952b179"),
    ],
)
def test_the_start_of_a_study_shows_no_folder_of_a_machine(base, start):
    assert answer.describe_start(base) == start
