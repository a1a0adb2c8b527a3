"""Settings of the loop: the objective of each iteration."""

import pytest
from pydantic import ValidationError

from training.settings.loop import LoopSettings
from training.settings.objectives import DPOSettings, RAFTSettings


def test_the_first_iteration_has_its_own_objective():
    loop = LoopSettings.model_validate({"first_objective": "raft", "raft": {"epochs": 1}})
    trained = [loop.at_iteration(t).resolve_training() for t in range(4)]
    assert [type(one) for one in trained] == [DPOSettings, RAFTSettings, DPOSettings, DPOSettings]
    assert loop.objectives == ("raft", "dpo")
    assert LoopSettings().objectives == ("dpo",)
    assert LoopSettings().at_iteration(1).objective == "dpo"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"first_objective": "sft"}, "the objectives are dpo, kto, raft, rloo"),
        ({"first_objective": "dpo"}, "first_objective is dpo, as objective"),
        ({"first_objective": "rloo"}, "need stored responses; rloo has none"),
        ({"first_objective": "raft", "objective": "rloo"}, "need stored responses; rloo has none"),
    ],
)
def test_an_impossible_first_objective_is_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        LoopSettings.model_validate(settings)
