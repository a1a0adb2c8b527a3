"""The work of a recipe: rows, tokens and disk by arithmetic, shared work once."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from training.planning.plan import Plan, make_plan
from training.planning.speed import ENGINE_START_S
from training.planning.trainings import Work
from training.recipe import Recipe
from training.recipe_file import load_recipe
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.sources.catalog.published_sizes import mean_pair_tokens

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


@pytest.fixture
def plan(tmp_path) -> Callable[[Recipe], Plan]:
    return lambda recipe: make_plan(recipe, Lake(tmp_path))


def find(made: Plan, asset: str, experiment: str) -> Work:
    (found,) = (w for w in made.works if (w.asset, w.experiment) == (asset, experiment))
    return found


def tokens(work: Work, kind: str) -> tuple[float, float]:
    loads = [load for load in work.loads if load.kind == kind]
    return sum(load.tokens for load in loads), sum(load.most_tokens for load in loads)


def test_sizes_follow_from_the_recipe(tiny_recipe, plan):
    made = plan(tiny_recipe)
    # 16 prompts, 4 responses of at most 16 tokens; DPO: 2 epochs of pairs of at most 128 tokens
    generations = find(made, "iteration_2/generations", "raft_concise")
    assert (generations.rows, tokens(generations, "sampled")) == (64, (1024, 1024))
    policy = find(made, "iteration_1/policy", "iterative")
    assert (policy.rows, tokens(policy, "trained")[1]) == (32, 32 * 2 * 128)
    assert policy.bytes == 4 * made.size.architecture.weights
    assert find(made, "sft_policy", "shared").rows == 400
    assert find(made, "reward_model", "shared").rows == 600
    assert find(made, "one_shot/generations", "shared").rows == 128
    # 12 + 8 prompts, 2 sampled and 1 greedy response, 2 iterates
    evaluated = tokens(find(made, "evaluation", "iterative"), "sampled")
    assert evaluated == (20 * 3 * 2 * 16,) * 2


def test_only_a_setting_that_is_not_yet_made_is_advised(make_tiny, plan):
    for dtype, advised in (("float32", True), ("bfloat16", False)):
        made = plan(make_tiny(f"evaluation.logps_dtype={dtype}"))
        loads = find(made, "evaluation", "iterative").loads
        (load,) = (load for load in loads if load.stage == "log-probabilities")
        assert ("logps_dtype" in load.remedy) is advised


def test_a_bfloat16_copy_adds_half_of_a_policy_and_nothing_of_a_reward_model(make_tiny, plan):
    plain, copied = plan(make_tiny()), plan(make_tiny("devices.bfloat16_copy=true"))
    for asset, experiment, share in (
        ("iteration_1/policy", "iterative", 1.5),
        ("sft_policy", "shared", 1.5),
        ("reward_model", "shared", 1),
    ):
        once = find(plain, asset, experiment).bytes
        assert find(copied, asset, experiment).bytes == share * once


def test_step_checkpoints_are_scratch_of_a_training(tiny_recipe, plan):
    made = plan(tiny_recipe)
    weights = made.size.architecture.weights
    assert find(made, "iteration_1/policy", "iterative").scratch == 3 * 12 * weights


def test_a_refresh_sees_all_labels_so_far_and_as_many_old_pairs(make_tiny, plan):
    refresh = "experiments.refreshed.feedback={labels: 10, reward_model: {epochs: 3}}"
    made = plan(make_tiny(refresh))
    assert find(made, "iteration_2/label_queue", "refreshed").rows == 10
    assert find(made, "iteration_2/reward_model", "refreshed").rows == 2 * 10 * 2 * 3
    others = {work.asset for work in made.works if work.experiment == "iterative"}
    assert "iteration_2/reward_model" not in others


def test_what_experiments_share_is_counted_once(make_tiny, plan):
    others = ("concise.pairs.length_penalty=0.01", "moving_reference.reference=previous")
    cold = "cold.sampling.temperature=0.5"
    made = plan(make_tiny(*(f"experiments.{each}" for each in (*others, cold))))
    first = {
        one: find(made, "iteration_1/generations", one).rows
        for one in ("iterative", "concise", "moving_reference", "cold")
    }
    assert first == {"iterative": 64, "concise": 0, "moving_reference": 0, "cold": 64}
    assert find(made, "iteration_1/scores", "concise").loads == ()
    assert find(made, "iteration_2/generations", "concise").rows == 64
    # other pairs need other log-probabilities of the reference, equal ones do not
    reads = {
        one: tokens(find(made, "iteration_1/policy", one), "read")[0]
        for one in ("iterative", "concise", "moving_reference")
    }
    assert reads["iterative"] == reads["concise"] > 0 == reads["moving_reference"]


@pytest.mark.parametrize(
    ("setting", "once"),
    [
        ("loop.dpo.epochs=2", True),
        ("loop.dpo.attn_implementation=sdpa", False),
        ("loop.dpo.torch_compile=true", False),
    ],
)
def test_one_pass_computes_the_prompt_of_a_pair_once(make_tiny, plan, setting, once):
    made = plan(make_tiny("plan.prompt_tokens=40", setting))
    policy = find(made, "iteration_1/policy", "iterative")
    # 16 pairs, 2 epochs, responses of 16 tokens
    pair = 40 + 2 * 16 if once else 2 * (40 + 16)
    assert tokens(policy, "trained")[0] == 32 * pair
    assert tokens(policy, "read")[0] == 16 * pair
    assert tokens(policy, "trained")[1] == 32 * 2 * 128


def test_a_reward_model_computes_a_prompt_once(make_tiny, plan):
    made = plan(make_tiny("plan.prompt_tokens=40"))
    # 16 prompts with 4 responses of 16 tokens each
    assert tokens(find(made, "iteration_1/scores", "iterative"), "read")[0] == 16 * (40 + 4 * 16)
    divided = plan(make_tiny("plan.prompt_tokens=40", "devices.gpus_per_replica=2"))
    scores = find(divided, "iteration_1/scores", "iterative")
    assert tokens(scores, "read")[0] == 16 * 4 * (40 + 16)
    # 1.5 epochs of 400 pairs, each cut to 2 x 128 tokens: prompts and responses by the same share
    prompt, responses = mean_pair_tokens()
    cut = 2 * 128 / (2 * prompt + responses)
    trained = tokens(find(made, "reward_model", "shared"), "trained")[0]
    assert trained == pytest.approx(600 * (prompt + responses) * cut)


def test_vllm_as_the_engine_of_scoring_starts_and_keeps_a_cache(tmp_path):
    loads = {}
    for engine in ("transformers", "vllm"):
        recipe = load_recipe(RECIPES / "llama3_8b.yaml", [f"loop.scoring.engine={engine}"])
        made = make_plan(recipe, Lake(tmp_path))
        (loads[engine],) = find(made, "iteration_1/scores", "paper").loads
    plain, pooled = loads["transformers"], loads["vllm"]
    assert pooled.seconds == plain.seconds + ENGINE_START_S
    # 4,096 tokens of prompt and response, 128 KiB each
    assert (plain.memory.cache, pooled.memory.cache) == (0, 4096 * 128 * 1024)
    assert pooled.memory.weights == plain.memory.weights
    assert (plain.limit, pooled.limit) == (1, 0.9)


def test_the_reference_of_offline_dpo_reads_the_pairs_that_are_trained_on(tmp_path):
    made = make_plan(load_recipe(RECIPES / "llama3_8b.yaml"), Lake(tmp_path))
    offline = find(made, "offline_dpo", "shared")
    # 3 iterations of 20,000 pairs and 2 epochs: 939 steps of 128 pairs, of 183,000 in Nectar
    assert offline.rows == 939 * 128
    assert tokens(offline, "read")[0] == pytest.approx(tokens(offline, "trained")[0])
    few = load_recipe(RECIPES / "llama3_8b.yaml", ["mixtures.nectar.nectar.max_pairs=60096"])
    half = find(make_plan(few, Lake(tmp_path)), "offline_dpo", "shared")
    assert half.rows == 939 * 128
    assert tokens(half, "read")[0] == pytest.approx(tokens(half, "trained")[0] / 2)


def test_kept_shares_are_further_checkpoints_of_the_policies_that_are_sampled(make_tiny, plan):
    samplers = "loop.sampling.samplers=[{n: 2}, {policy: step, share: 0.5, n: 2}]"
    made = plan(make_tiny(samplers))
    size = 4 * made.size.architecture.weights
    assert find(made, "iteration_1/policy", "iterative").bytes == 2 * size
    assert find(made, "iteration_2/policy", "iterative").bytes == size
    assert find(made, "one_shot/policy", "shared").bytes == size


def test_accumulated_data_grow_with_the_iteration(make_tiny, plan):
    made = plan(make_tiny("experiments.grown.data=accumulated"))
    rows = [find(made, f"iteration_{t}/policy", "grown").rows for t in (1, 2)]
    assert rows == [32, 64]


def test_the_first_iteration_has_the_work_of_its_own_objective(make_tiny, plan):
    made = plan(make_tiny("experiments={warm: {first_objective: raft}}", "plan.gpu=a10"))
    kinds = [
        [load.kind for load in find(made, f"iteration_{t}/policy", "warm").loads] for t in (1, 2)
    ]
    assert kinds == [["trained"], ["read", "trained"]]


def test_a_policy_gradient_samples_while_it_trains(make_tiny, plan):
    rloo = "experiments.gradient={objective: rloo, rloo: {batch_size: 32, max_tokens: 64}}"
    made = plan(make_tiny(rloo, "plan.gpu=a10"))
    assets = [work.asset for work in made.works if work.experiment == "gradient"]
    assert assets == ["iteration_1/policy", "iteration_2/policy", "evaluation"]
    policy = find(made, "iteration_1/policy", "gradient")
    assert [load.kind for load in policy.loads] == ["sampled", "read", "trained"]
    (trained,) = (load.memory for load in policy.loads if load.kind == "trained")
    (dpo,) = (
        load.memory
        for load in find(made, "iteration_1/policy", "iterative").loads
        if load.kind == "trained"
    )
    assert trained.weights > dpo.weights  # reference and reward model beside the policy


@pytest.mark.parametrize(("generator", "sequences"), [("transformers", 256), ("vllm", 0)])
def test_a_policy_gradient_holds_the_cache_of_all_responses_of_a_step(
    make_tiny, plan, generator, sequences
):
    rloo = f"{{batch_size: 256, micro_batch_size: 1, max_tokens: 128, generator: {generator}}}"
    made = plan(
        make_tiny(f"experiments.gradient={{objective: rloo, rloo: {rloo}}}", "plan.gpu=a10")
    )
    policy = find(made, "iteration_1/policy", "gradient")
    (trained,) = (load.memory for load in policy.loads if load.kind == "trained")
    elements = made.size.architecture.cache_elements if sequences else 0
    assert trained.cache == max(0, 4 * elements * sequences * 128 - trained.activations)


def test_rows_of_a_source_come_from_recipe_lake_or_publication(tmp_path):
    recipe = load_recipe(RECIPES / "llama3_8b.yaml", ["plan.rows.hh_rlhf=1000"])
    lake = Lake(tmp_path)
    rows = pl.DataFrame(schema=schema_of("preference_pairs")).clear(3)
    lake.append("preference_pairs", rows.with_columns(source=pl.lit("shp")))
    made = make_plan(recipe, lake)
    facts = {(f.name, f.subject): (f.value, f.origin) for f in made.facts if f.unit == "rows"}
    assert facts["pairs", "hh_rlhf"] == (1000, "recipe")
    assert facts["pairs", "shp"] == (3, "measured")
    assert facts["pairs", "ultrafeedback"] == (340_025, "published")
    assert find(made, "reward_model", "shared").rows == 848_965 - 115_396 - 93_301 + 1003


def test_unknown_rows_are_named_with_the_setting_that_gives_them(tmp_path):
    recipe = load_recipe(RECIPES / "llama3_8b.yaml")
    recipe = recipe.model_copy(update={"plan": recipe.plan.model_copy(update={"rows": {}})})
    made = make_plan(recipe, Lake(tmp_path))
    assert find(made, "sft_policy", "shared").rows is None
    assert "plan.rows.sharegpt" in made.unplanned[0]


def test_rows_of_an_unknown_source_are_refused():
    with pytest.raises(InputError, match=r"plan\.rows names no source of this recipe: nobody"):
        load_recipe(RECIPES / "llama3_8b.yaml", ["plan.rows.nobody=3"])


def test_measured_responses_decide_the_expected_length(tiny_recipe, tmp_path):
    lake = Lake(tmp_path)
    rows = pl.DataFrame(schema=schema_of("generations")).clear(2)
    lake.append("generations", rows.with_columns(response_tokens=pl.Series([4, 6], dtype=pl.Int32)))
    made = make_plan(tiny_recipe, lake)
    generations = find(made, "iteration_2/generations", "iterative")
    assert tokens(generations, "sampled") == (64 * 5, 64 * 16)
    assert made.lengths[1].origin == "measured"


def test_a_sum_reads_the_trained_models_among_its_parts(make_tiny, plan):
    rewards = "rewards={given: {path: org/model}, both: {sum: {reward_model: 1, given: 1}}}"
    made = plan(make_tiny(rewards, "experiments={a: {ranker: both}, b: {ranker: given}}"))
    assert len(find(made, "iteration_2/scores", "a").loads) == 1
    assert len(find(made, "iteration_2/scores", "b").loads) == 0
