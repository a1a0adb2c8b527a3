"""Names of the assets of an iteration, built and parsed, and the order of baselines in SQL."""

import pytest

from transforms.errors import InputError
from transforms.lake.asset_names import (
    BASELINES,
    REPORTED_BASELINES,
    iteration_asset,
    iteration_name,
    iteration_number,
    name_model,
    reported_name,
    shared_noun,
    slice_file_name,
)
from transforms.views.query import connect_frames, query


def test_the_number_of_an_iteration_is_read_back():
    assert iteration_number(iteration_name(12)) == 12
    assert iteration_number(iteration_asset(12, "policy")) == 12


@pytest.mark.parametrize("name", ["evaluation", "iteration_", "iteration_1x", "one_shot/policy"])
def test_other_names_have_no_number(name):
    assert iteration_number(name) is None
    assert shared_noun(name) == name


def test_the_noun_is_what_all_iterations_share():
    assert shared_noun(iteration_asset(3, "dpo_pairs")) == "dpo_pairs"


def test_sql_orders_the_baselines_as_they_are_listed():
    connection = connect_frames({})
    for names in (BASELINES, REPORTED_BASELINES):
        places = ", ".join(f"baseline_position('{name}')" for name in names)
        assert query(connection, f"select {places}").row(0) == (1, 2, 3, 4)
    assert query(connection, "select baseline_position('iterative')").item() is None


def test_reports_leave_policy_out():
    assert [*map(reported_name, BASELINES)] == [
        "sft_policy",
        "initial_model",
        "offline_dpo",
        "one_shot",
    ]


@pytest.mark.parametrize(
    ("experiment", "asset", "name"),
    [
        ("iterative", "iteration_2/policy", "iterative/2"),
        ("iterative", "iteration_2", "iterative/2"),
        ("refreshed", "iteration_2/reward_model", "refreshed/iteration_2/reward_model"),
        ("shared", "sft_policy", "sft_policy"),
        ("shared", "one_shot/policy", "one_shot"),
        ("refreshed", "reward_model_b", "refreshed/reward_model_b"),
    ],
)
def test_a_model_has_its_shortest_name(experiment, asset, name):
    assert name_model(experiment, asset) == name


@pytest.mark.parametrize(
    ("asset", "experiment"), [("policy", "../a"), ("policy", "a/b"), ("..", "a"), ("", "/etc/a")]
)
def test_a_name_that_is_a_path_names_no_file(asset, experiment):
    assert slice_file_name("iteration_2/policy", "n-8") == "iteration_2__policy__n-8"
    with pytest.raises(InputError, match="name of a file"):
        slice_file_name(asset, experiment)
