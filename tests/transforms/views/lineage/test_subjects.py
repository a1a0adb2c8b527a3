import pytest

from transforms.errors import InputError
from transforms.views.lineage.outputs import Input, read_lineage
from transforms.views.lineage.subjects import find_subject


@pytest.fixture(scope="module")
def lineage(lake):
    return read_lineage(lake)


@pytest.mark.parametrize("name", ["2222222b", "222222"])
def test_a_checkpoint_is_found_by_the_first_digits_of_its_id(lake, lineage, name):
    found = find_subject(lake, lineage, name)
    assert (found.kind, found.name, found.facts["asset"]) == (
        "checkpoint", "2222222b", "sft_policy",
    )  # fmt: skip
    assert found.inputs == (Input("checkpoint", "sft_policy", "2222222b"),)


def test_a_given_model_says_what_its_template_adds(lake, lineage):
    folder = lake.root / "checkpoints/1111111a"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text('{"found": {"default_system_prompt": "be kind"}}')
    facts = find_subject(lake, lineage, "1111111a").facts
    assert (facts["asset"], facts["default_system_prompt"]) == ("initial_model", "be kind")


def test_a_dpo_pair_says_who_wrote_and_ranked_its_responses(lake, lineage):
    found = find_subject(lake, lineage, "a/1/abc")
    assert (found.kind, found.name) == ("dpo_pair", "a/1/abc1")
    facts = ("policy_id", "rejected_policy_id", "ranker_id", "margin", "responses")
    assert {key: found.facts[key] for key in facts} == {
        "policy_id": "2222222b", "rejected_policy_id": "2222222b", "ranker_id": "3333333c",
        "margin": 1.0, "responses": 2,
    }  # fmt: skip
    assert found.inputs == (Input("part of", "iteration_1/dpo_pairs", "dpo_pairs@0"),)
    above = [output.asset for output in lineage.upstream(found.inputs)]
    assert above.index("raw_chat") < above.index("demonstrations") < above.index("sft_policy")
    assert above[-1] == "iteration_1/dpo_pairs"
    assert {"reward_model", "sft_policy", "iteration_1/generations"} < set(above)
    assert len(above) == len(set(above))


def test_one_of_several_pairs_of_a_prompt_is_named_by_its_responses(lake, lineage):
    found = find_subject(lake, lineage, "a/2/abc/2-1")
    assert (found.kind, found.name, found.facts["margin"]) == ("dpo_pair", "a/2/abc1/2-1", 1.5)
    assert found.inputs == (Input("part of", "iteration_2/dpo_pairs", "dpo_pairs@2"),)


def test_a_response_carries_its_scores(lake, lineage):
    found = find_subject(lake, lineage, "a/1/abc1/1")
    assert (found.kind, found.facts["response"]) == ("response", "no")
    assert found.facts["scores"] == [
        {"ranker": "reward_model", "ranker_id": "3333333c", "reward": 0.0}
    ]
    assert found.inputs == (Input("part of", "iteration_1/generations", "generations@1"),)


def test_a_preference_pair_is_found_by_its_pair_id(lake, lineage):
    found = find_subject(lake, lineage, "fedcba9")
    assert (found.kind, found.name, found.facts["source"]) == (
        "preference_pair", "fedcba98", "chat",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("22222", "no model has the name"),
        ("999999", "nothing in the lake"),
        ("444444", "4444444d, 4444444e, 4444444f"),
        ("fedcba", "ambiguous"),
        ("a/1/abd", "nothing in the lake"),  # responses, but no pair
        ("a/1/ab/0", "abc1, abd2"),
        ("a/2/abc1", "abc1/2-0, abc1/2-1"),
        ("a/2/abc1/2-2", "nothing in the lake"),
        ("a/2/abc1/2-1-0", "nothing in the lake"),
        ("a/9/abc1", "nothing in the lake"),
        ("a/1/abc1/7", "nothing in the lake"),
        ("a/x/abc1", "no model has the name"),
        ("a/9", "no model has the name"),
    ],
)
def test_an_unknown_or_ambiguous_id_is_refused(lake, lineage, name, message):
    with pytest.raises(InputError, match=message):
        find_subject(lake, lineage, name)
