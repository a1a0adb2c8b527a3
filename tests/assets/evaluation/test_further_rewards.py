"""Further rewards of evaluation responses, on a real lake and without a model."""

import json
import logging
from types import SimpleNamespace

import polars as pl
import pytest

from assets.evaluation.further_rewards import prepare_rewards, read_scored, score_responses
from assets.graph import build_definitions
from training.settings.loop import LoopSettings
from training.settings.rewards.reward import RewardSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import contrast, summarise

CODE = "def words(responses):\n    return [len(text.split()) for text in responses]\n"


@pytest.fixture
def make_step(tmp_path):
    """A step over a lake with two prompts, one of them with a reference."""
    lake = Lake(tmp_path / "lake")
    prompts = [
        {"prompt_id": key, "prompt": [{"role": "user", "content": key}], "reference": reference}
        for key, reference in (("p", "yes"), ("q", None))
    ]
    lake.overwrite("prompts", pl.DataFrame(prompts, schema=schema_of("prompts")))
    splits = {"prompt_id": ["p", "q"], "split": ["validation", "evaluation"]}
    lake.overwrite("prompt_splits", pl.DataFrame(splits, schema=schema_of("prompt_splits")))

    def make(code=CODE, rewards=("words", "right")):
        (tmp_path / "words.py").write_text(code, encoding="utf-8")
        settings = {
            "words": RewardSettings(function=f"{tmp_path}/words.py:words"),
            "right": RewardSettings(verifier="exact_match"),
            "given": RewardSettings(path="no/model"),
            "both": RewardSettings(sum={"given": 1, "right": 1}),
        }
        recipe = SimpleNamespace(
            resolve_rankers=lambda: settings,
            loop=LoopSettings(),
            evaluation=SimpleNamespace(rewards=rewards),
        )
        return SimpleNamespace(
            lake=PinnedLake(tmp_path / "lake", {}),
            asset="evaluation",
            loop=recipe.loop,
            study=SimpleNamespace(recipe=recipe),
            log=logging.getLogger("step"),
        )

    return make


def responses(model, *texts):
    """Responses of a model, of (prompt, decoding, text)."""
    rows = [
        {"experiment": "shared", "iteration": 0, "model": model, "policy_id": f"id of {model}",
         "evaluation_id": "id", "split": "evaluation", "decoding": decoding, "prompt_id": prompt,
         "response_index": 0, "response": text, "response_tokens": 1, "response_chars": 1,
         "finish_reason": "stop", "reward": 0.0, "policy_logp": 0.0, "reference_logp": 0.0,
         "kl_to_initial": 0.0}
        for prompt, decoding, text in texts
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema_of("evaluation_responses"))


MINE = responses("policy", ("p", "sampled", "no"), ("p", "greedy", "yes"), ("q", "sampled", "a b"))
OTHER = responses("sft_policy", ("p", "sampled", "yes"), ("q", "sampled", "a"))


def test_every_response_is_scored_and_a_verifier_reads_prompts_with_a_reference(make_step):
    step = make_step()
    scored = score_responses(step, MINE)
    assert scored["words"].to_list() == [1.0, 1.0, 2.0]
    assert scored["right"].to_list() == [0.0, 1.0, None]
    rows = step.lake.read("evaluation_scores", model="policy")
    assert dict(rows.group_by("ranker").len().rows()) == {"words": 3, "right": 2}


def test_the_figures_are_results_beside_the_reward(make_step):
    step = make_step()
    score_responses(step, OTHER)
    mine, other = score_responses(step, MINE), read_scored(step, OTHER)
    results = pl.concat(
        [summarise(mine, ("words", "right")), contrast(mine, other, ("words", "right"))]
    ).filter(decoding="sampled")
    values = {
        (metric, versus): (value, prompts)
        for metric, versus, value, prompts in results.select(
            "metric", "versus", "value", "prompts"
        ).iter_rows()
    }
    assert values["words", None] == (1.5, 2)
    assert values["right", None] == (0.0, 1)
    assert values["words", "sft_policy"] == (0.5, 2)
    assert values["win_rate_words", "sft_policy"] == (0.75, 2)
    assert values["win_rate_right", "sft_policy"] == (0.0, 1)
    assert values["reward", None] == (0.0, 2)


def test_stored_scores_are_kept_until_the_reward_changes(make_step):
    score_responses(make_step(), MINE)
    step = make_step()
    version = step.lake.version("evaluation_scores")
    assert score_responses(step, MINE)["words"].to_list() == [1.0, 1.0, 2.0]
    assert step.lake.version("evaluation_scores") == version
    assert len(step.lake.list_written()) == 2  # kept slices are recorded as written
    edited = make_step(CODE.replace("len", "-len"))
    assert score_responses(edited, MINE)["words"].to_list() == [-1.0, -1.0, -2.0]


def test_a_verifier_without_any_reference_is_refused_before_the_sampling(make_step):
    step = make_step()
    prepare_rewards(step, step.lake.read("prompts"))
    with pytest.raises(InputError, match="right cannot measure any response"):
        prepare_rewards(step, step.lake.read("prompts", prompt_id="q"))


def test_a_further_reward_model_is_looked_for_before_the_sampling(make_step):
    step = make_step(rewards=("given",))
    with pytest.raises(InputError, match="no/model cannot be read"):
        prepare_rewards(step, step.lake.read("prompts", prompt_id="q"))


def test_a_model_in_a_sum_with_a_verifier_is_looked_for_before_the_sampling(make_step):
    step = make_step(rewards=("both",))
    with pytest.raises(InputError, match="no/model cannot be read"):
        prepare_rewards(step, step.lake.read("prompts"))


def test_a_further_reward_model_is_trained_and_changes_no_other_asset(make_tiny, tmp_path):
    halves = {half: {"sample_preferences": {"half": half}} for half in ("first", "second")}
    settings = (
        f"mixtures={json.dumps(halves)}",
        "reward_model.mixture=first",
        "reward_models={second: {mixture: second}}",
    )
    graphs = [
        build_definitions(make_tiny(*settings, *more), tmp_path).resolve_asset_graph()
        for more in ((), ("evaluation.rewards=[reward_model_second]",))
    ]
    before, after = (
        {
            key.to_user_string(): (
                {parent.to_user_string() for parent in graph.get(key).parent_keys},
                graph.get(key).metadata,
            )
            for key in graph.get_all_asset_keys()
        }
        for graph in graphs
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"baseline_evaluation", "evaluation"}
    for name in changed:
        assert after[name][0] - before[name][0] == {"reward_model_second"}
