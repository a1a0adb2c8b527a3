from pathlib import Path

import pytest
import yaml

from training.recipe import Recipe
from training.recipe_file import load_recipe
from training.settings.model import DeviceSettings
from transforms.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "recipes" / "quickstart.yaml"


def test_a_judge_has_the_gpus_of_the_recipe_or_its_own() -> None:
    def resolve(*overrides: str) -> DeviceSettings | None:
        recipe = load_recipe(QUICKSTART, ["devices={replicas: 8}", *overrides])
        judge = recipe.resolve_judge()
        assert judge is not None
        return judge.devices

    assert resolve("judge={path: model}") == DeviceSettings(replicas=8)
    own = "judge={path: model, devices: {replicas: 2, gpus_per_replica: 4}}"
    assert resolve(own) == DeviceSettings(replicas=2, gpus_per_replica=4)
    at_address = "judge={address: 'http://127.0.0.1:1', model: m}"
    assert resolve(at_address) is None
    with pytest.raises(InputError, match="this one has an address"):
        resolve(at_address, "judge.devices={replicas: 2}")


def test_an_experiment_overrides_the_loop_and_nothing_else() -> None:
    recipe = load_recipe(QUICKSTART, ["experiments.moving_reference={reference: previous}"])
    assert recipe.resolve_loop("iterative") == recipe.loop
    moving = recipe.resolve_loop("moving_reference")
    assert moving.reference == "previous"
    assert moving.model_copy(update={"reference": "initial"}) == recipe.loop


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("loop.dpo.betta=0.1", ["loop.dpo.betta", "write beta for betta"]),
        ("loop.sampling.samplers=[{n: 2, polcy: initial}]", ["samplers.0.polcy", "policy"]),
        ("sources.sample_prompts.fils=[a]", ["sources.sample_prompts.fils", "files"]),
        ("reward_models.long.epoch=3", ["reward_models.long.epoch", "epochs"]),
        ("sources.sample_prompts.roles=[prompts, preferences]", ["sample task", "name one role"]),
        ("sources.x={entry: hh_rlhf, files: [a], roles: [prompts, prompts]}", ["names one twice"]),
        ("sources.x={entry: messages, files: [a], roles: [prompts]}", ["demonstrations, not prom"]),
        ("sources.sample_prompts.roles=[prmpts]", ["sources.sample_prompts.roles.0", "prmpts"]),
        ("sources.row_keys={entry: messages, files: [a]}", ["raw_row_keys of source row_keys"]),
        ("sources.Sample_Prompts={entry: messages, files: [a]}", ["the name 'Sample_Prompts'"]),
        ("mixtures={a/b: {sample_preferences: {}}}", ["the name 'a/b'", "(--set)"]),
        ("reward_models={ä: {epochs: 2}}", ["the name 'ä'", "(--set)"]),
        ("experiments={'': {}}", ["the name ''", "lower-case letter"]),
        ("experiments={shared: {}}", ["cannot have the name shared"]),
        ("loop.dpo.learning_rate=.inf", ["loop.dpo.learning_rate = inf", "finite"]),
        ("seed=true", ["seed = True", "integer"]),
        ("seed=010", ["010 can be read as two numbers"]),
        ("loop.dpo.beta=-1", ["loop.dpo.beta", "-1", "greater than 0"]),
        ("loop.sampling.n=many", ["loop.sampling.n", "many"]),
        ("splits.evaluation_fraction=0.9", ["splits.evaluation_fraction"]),
        ("experiments.iterative.iterations=2", ["iterative", "iterations"]),
        ("experiments.iterative.dpo.betta=2", ["experiments.iterative.dpo.betta", "beta"]),
        ("experiments.nothing=null", ["experiments.nothing", "dictionary"]),
        ("sft.micro_batch_size=5", ["batch_size", "multiple"]),
        ("model.tiny.heads=8", ["head", "vLLM"]),
        ("loop.sampling.n=1", ["n", "2"]),
        ("experiments.iterative.sampling.n=1", ["iterative", "n", "2"]),
        ("experiments.iterative.sampling.samplers=[{n: 1}]", ["iterative", "n", "2"]),
        ("loop.sampling.samplers=[{n: 2, policy: step}]", ["samplers", "share"]),
        ("loop.sampling.samplers=[{n: 2, share: 0.5}]", ["samplers", "share"]),
        ("loop.sampling.samplers=[{n: 2, temperature: 0}]", ["sampler 0", "greedy"]),
        ("loop.sampling.adaptive={round: 2}", ["adaptive", "no prompt stops early"]),
        ("loop.sampling.adaptive={round: 3, enough_margin: 1}", ["sampling", "two rounds of 3"]),
        (
            "loop.sampling={samplers: [{n: 4}], adaptive: {round: 2, enough_margin: 1}}",
            ["adaptive n allows only one sampler"],
        ),
        (
            "experiments.raft_concise={pairs: {length_penalty: calibrated}, sampling: {adaptive:"
            " {round: 2, enough_margin: 1}}}",
            ["sampling.adaptive", "length_penalty"],
        ),
        (
            "experiments.raft_concise={ranker: judge, sampling: {adaptive: {round: 2,"
            " enough_margin: 1}}}",
            ["sampling.adaptive", "no other ranker"],
        ),
        ("loop.sampling.temperature=0", ["loop.sampling", "greedy", "n = 8", "equal texts"]),
        ("experiments.raft_concise.sampling.temperature=0", ["raft_concise", "greedy"]),
        ("loop.sampling.max_tokens=128", ["max_tokens 128", "no room for a prompt"]),
        (
            "loop.sampling.max_context_tokens=129",
            ["at most 128 tokens", "too short: loop.sampling.max_context_tokens 129\n"],
        ),
        ("sft.max_tokens=129", ["at most 128 tokens", "sft.max_tokens 129"]),
        ("experiments.iterative.dpo.max_tokens=129", ["experiments.iterative.dpo.max_tokens 129"]),
        ("loop.dpo.max_tokens=129", ["too short: loop.dpo.max_tokens 129\n"]),
        (
            "sources.sample_prompts.entry=context_mesages",
            ["no entry 'context_mesages'; did you mean context_messages?"],
        ),
        ("evaluation.selection_metric=taste", ["selection_metric", "taste"]),
        ("experiments.iterative.feedback.labels=0", ["labels", "greater than"]),
        ("loop.feedback.reward_model.learning_rat=1", ["learning_rat"]),
        ("sources.sample_prompts=null", ["no source has the role prompts"]),
        ("sources.sample_demonstrations=null", ["demonstrations, which sft needs", "sft to null"]),
        ("sources.sample_preferences=null", ["preferences, which reward_model needs", "to null"]),
        ("reward_model=null", ["'reward_model'", "the rankers are"]),
        (
            "benchmarks={truthfulqa: {data: {questions: {files: [a]}}, models: [initial_model]}}",
            ["benchmarks.truthfulqa.models has initial_model", "sft_policy, offline_dpo"],
        ),
    ],
)
def test_an_impossible_setting_is_named(override: str, words: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        load_recipe(QUICKSTART, [override])
    for word in words:
        assert word in str(refusal.value)


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(InputError) as refusal:
        load_recipe(QUICKSTART, ["loop.dpo.beta=-1", "sft.epochs=0"])
    assert "loop.dpo.beta" in str(refusal.value)
    assert "sft.epochs" in str(refusal.value)


def test_a_missing_recipe_names_those_there_are() -> None:
    with pytest.raises(InputError, match="quickstart"):
        load_recipe(ROOT / "recipes" / "quickstat.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", ""])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"broken\.yaml"):
        load_recipe(file)


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(InputError, match=r"key\.key=value"):
        load_recipe(QUICKSTART, ["loop.dpo.beta"])


def test_files_are_relative_to_the_recipe(tmp_path: Path) -> None:
    keys = yaml.safe_load((ROOT / "recipes" / "hh_rlhf_cpu.yaml").read_text())
    for source in keys["sources"].values():
        source["files"] = ["rows.jsonl"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(keys))
    recipe = load_recipe(tmp_path / "study.yaml")
    assert recipe.sources["hh_rlhf"].files == (str(tmp_path / "rows.jsonl"),)


def test_a_refresh_overrides_the_training_of_the_experiments_reward_model() -> None:
    feedback = "{feedback: {reward_model: {learning_rate: 2.0e-4}}, ranker: reward_model_long}"
    recipe = load_recipe(
        QUICKSTART, ["reward_models.long.epochs=3", f"experiments.refreshed={feedback}"]
    )
    base = recipe.resolve_trained_rankers()["reward_model_long"]
    assert recipe.resolve_refresh(recipe.resolve_loop("refreshed")) == base.model_copy(
        update={"learning_rate": 2e-4}
    )


def test_feedback_needs_its_oracle_and_a_reward_model() -> None:
    with pytest.raises(InputError, match=r"oracle is judge.*set `judge`"):
        load_recipe(QUICKSTART, ["loop.feedback.oracle=judge"])
    with pytest.raises(InputError, match=r"oracle is gold.*set `gold`"):
        load_recipe(
            QUICKSTART,
            ["gold=false", "evaluation.selection_metric=reward", "loop.feedback.labels=5"],
        )
    with pytest.raises(
        InputError, match="a reward, and the ranker judge compares responses instead"
    ):
        load_recipe(
            QUICKSTART,
            [
                "judge={address: 'http://127.0.0.1:1/v1', model: m}",
                "loop.ranker=judge",
                "loop.feedback.labels=5",
            ],
        )


@pytest.mark.parametrize(
    ("recipe", "setting", "reason"),
    [
        ("quickstart", "promotion={}", "splits.promotion_fraction is 0"),
        (
            "quickstart",
            "promotion={split: validation, max_fall: {gsm8k: 1}}",
            "gsm8k; the recipe's benchmarks are none",
        ),
        ("quickstart", "promotion.metric=win_rate_judge", "there is no `judge`"),
        ("quickstart", "promotion.level=1.5", "promotion.level"),
        ("quickstart", "promotion.metric=reward", "reward, which iterative, .* optimises"),
        ("quickstart", "promotion.metric=win_rate_reward", "allow_optimised=true"),
        ("hh_rlhf_cpu", "promotion={}", "there is no `judge`"),
        ("hh_rlhf_cpu", "promotion.metric=gold_reward", "`gold` is false"),
    ],
)
def test_a_promotion_by_what_is_not_measured_or_is_optimised_is_refused(
    recipe, setting, reason
) -> None:
    with pytest.raises(InputError, match=reason):
        load_recipe(ROOT / "recipes" / f"{recipe}.yaml", [setting])


def test_the_metric_of_promotion_is_one_that_no_experiment_optimises() -> None:
    own = "splits.promotion_fraction=0.1"

    def metric(*settings: str) -> str:
        promotion = load_recipe(QUICKSTART, [own, "promotion={}", *settings]).resolve_promotion()
        return promotion.metric

    no_gold = ("gold=false", "evaluation.selection_metric=reward")
    judge = "judge={address: 'http://127.0.0.1:1/v1', model: m}"
    assert metric() == "gold_reward"
    assert metric(*no_gold, judge) == "win_rate_judge"
    assert metric("promotion={metric: reward, allow_optimised: true}") == "reward"
    with pytest.raises(InputError, match=r"win_rate_judge, which iterative.* optimises"):
        metric(*no_gold, judge, "loop.ranker=judge")
    with pytest.raises(InputError, match=r"win_rate_judge, which iterative.* optimises"):
        metric(*no_gold, judge, "loop.feedback={labels: 5, oracle: judge}")
    assert load_recipe(QUICKSTART).resolve_promotion() is None


def test_pi_0_and_the_baselines_are_those_whose_data_the_recipe_has(tmp_path):
    def load(*overrides: str) -> Recipe:
        return load_recipe(QUICKSTART, overrides)

    assert load().baselines == ["sft_policy", "offline_dpo", "one_shot/policy"]
    assert load("sft=null").baselines == ["initial_model", "offline_dpo", "one_shot/policy"]
    (tmp_path / "r.py").write_text("def short(responses): return [1 for _ in responses]\n")
    brought = (
        f"rewards={{short: {{function: '{tmp_path}/r.py:short'}}}}", "loop.ranker=short",
        "reward_model=null", "sources.sample_preferences=null",
    )  # fmt: skip
    assert load(*brought).baselines == ["sft_policy", "one_shot/policy"]
    assert load(*brought).evaluation_reward == "short"
    with pytest.raises(InputError, match="reward_models are overrides of reward_model"):
        load(*brought[:3], "reward_models={other: {epochs: 2}}")
    with pytest.raises(InputError, match="ranker judge gives none"):
        load(
            "reward_model=null",
            "loop.ranker=judge",
            "judge={address: 'http://localhost/v1', model: m}",
        )
    promoted = ("promotion={metric: reward}", "splits.promotion_fraction=0.1")
    with pytest.raises(InputError, match="optimises"):
        load(*brought, *promoted)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["experiments.a={objective: kto, kto: {lora: {}}}"], "for example 5e-06"),
        (["loop.objective=raft", "loop.dpo.max_tokens=129"], "loop.dpo.max_tokens 129"),
        (
            [
                "experiments.a.feedback={labels: 8, oracle: gold, reward_model: {max_tokens: 129}}",
                "experiments.b.feedback={labels: 8, oracle: gold}",
            ],
            "reward_model.feedback.reward_model.max_tokens 129",
        ),
        (["loop.sampling.max_tokens=100", "loop.dpo.max_tokens=99"], "set dpo.max_tokens to 128"),
        (
            ["experiments.other={objective: raft, raft: {max_tokens: 39}}"],
            "experiment other: raft.max_tokens 39 is below sampling.max_tokens 40",
        ),
        (
            ["experiments.other={objective: rloo, rloo: {max_tokens: 40}}"],
            "rloo.max_tokens 40 leaves no room",
        ),
        (
            ["judge={path: j, max_tokens: 20, max_context_tokens: 100}", "loop.ranker=judge"],
            "judge.max_context_tokens 100 well above 100",
        ),
    ],
)
def test_limits_that_do_not_fit_what_is_sampled_or_the_model_are_refused(settings, words) -> None:
    with pytest.raises(InputError, match=words):
        load_recipe(QUICKSTART, settings)


def test_limits_that_fit_exactly_are_allowed() -> None:
    fits = "judge={path: j, max_tokens: 20, max_context_tokens: 101}"
    load_recipe(QUICKSTART, [fits, "loop.ranker=judge", "loop.dpo.max_tokens=40"])
