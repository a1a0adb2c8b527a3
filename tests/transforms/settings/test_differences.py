from transforms.settings.differences import tabulate_differences

RECIPE = {"dpo": {"beta": 0.1, "epochs": 2.0}, "start": "previous"}


def test_only_changed_settings_and_experiments_are_shown() -> None:
    found = tabulate_differences(
        RECIPE,
        {
            "iterative": RECIPE,
            "small_beta": {**RECIPE, "dpo": {"beta": 0.05, "epochs": 2.0}},
            "raft": {"raft": {"epochs": 1.0}, "start": "previous"},
        },
    )
    assert found.columns == ["setting", "recipe", "small_beta", "raft"]
    assert found.rows() == [
        ("dpo.beta", "0.1", "0.05", "-"),
        ("dpo.epochs", "2", "", "-"),
        ("raft.epochs", "-", "", "1"),
    ]


def test_equal_experiments_have_no_row() -> None:
    found = tabulate_differences(RECIPE, {"a": RECIPE, "b": RECIPE})
    assert (found.columns, found.height) == (["setting", "recipe"], 0)
