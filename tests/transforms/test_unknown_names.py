from transforms.unknown_names import refuse_unknown

KNOWN = ("stage_costs", "reward_bench")


def test_an_unknown_name_has_the_near_ones() -> None:
    error = refuse_unknown("report", ["stage_cost"], KNOWN, "choose one")
    assert error.parts["remedy"] == "did you mean stage_costs?"
    assert refuse_unknown("report", ["x"], KNOWN, "choose one").parts["remedy"] == "choose one"
