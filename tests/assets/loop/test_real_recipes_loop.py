"""The recipes on real weights: their graphs, and the second one whole on a tiny model."""

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.graph import build_definitions
from training.recipe_file import load_recipe
from transforms.lake.lake import Lake
from transforms.prompts.instructions.compose import select_instructions
from transforms.prompts.instructions.registry import read_reference
from transforms.views.query import check, connect, report
from transforms.views.statements import list_checks

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def list_assets(name: str, tmp_path: Path) -> dict[str, set[str]]:
    """Return the assets of a recipe, with those that each reads."""
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    graph = build_definitions(recipe, tmp_path).resolve_asset_graph()
    return {
        key.to_user_string(): {one.to_user_string() for one in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def test_the_real_study_has_two_iterations_both_baselines_and_independent_judges(tmp_path):
    assets = list_assets("smollm2_135m", tmp_path)
    assert "sft_policy" not in assets
    policies = {"iteration_1/policy", "iteration_2/policy"}
    assert policies <= assets["evaluation"]
    assert {"initial_model", "offline_dpo", "one_shot/policy"} <= assets["baseline_evaluation"]
    for evaluation in ("evaluation", "baseline_evaluation"):
        assert {"reward_model", "reward_model_second_half"} <= assets[evaluation]
    # no policy is trained on what the second reward model says
    trained = {name for name, read in assets.items() if "reward_model_second_half" in read}
    assert trained == {"evaluation", "baseline_evaluation"}
    for benchmark in ("arc_challenge", "mmlu", "gsm8k", "truthfulqa"):
        assert assets[f"baseline_benchmarks/{benchmark}"] >= {"initial_model"}
        assert assets[f"benchmarks/{benchmark}"] >= {"selected_policy"}


def test_the_judge_and_the_loop_have_different_halves():
    recipe = load_recipe(RECIPES / "smollm2_135m.yaml")
    halves = {
        name: {part.half for part in recipe.resolve_mixture(settings.mixture).values()}
        for name, settings in recipe.resolve_trained_rankers().items()
    }
    assert halves == {"reward_model": {"first"}, "reward_model_second_half": {"second"}}
    offline = recipe.resolve_mixture(recipe.offline_mixture).values()
    assert {part.half for part in offline} == {"first"}


def test_the_reward_of_the_second_study_is_the_verifier(tmp_path):
    assets = list_assets("smollm2_instructions", tmp_path)
    assert not {name for name in assets if "reward_model" in name or "benchmarks" in name}
    assert {"offline_dpo", "one_shot/policy", "initial_model"} <= assets["baseline_evaluation"]
    recipe = load_recipe(RECIPES / "smollm2_instructions.yaml")
    assert recipe.evaluation_reward == recipe.loop.ranker == "followed"
    assert {source.instructions for source in recipe.resolve_sources()} == {2}
    kinds = Counter(
        one.kind.name for number in range(300) for one in select_instructions(f"{number}", 2)
    )
    assert len(kinds) >= 12


def write_files(folder: Path) -> dict[str, Path]:
    """Write small files in the layouts of the recipe's sources."""
    verbs = ("paint", "build", "sell", "move", "draw", "buy", "clean", "lend")
    nouns = ("boat", "house", "clock", "garden", "table", "lamp", "bridge", "coat", "stove",
             "kite", "violin", "map", "fence", "basket", "mirror", "wheel")  # fmt: skip
    topics = [f"{verb} a {noun}" for verb in verbs for noun in nouns]
    rows = {
        "ultrafeedback": [
            {"prompt": f"How do I {topic}?", "chosen": f"To {topic}, begin with a plan.",
             "rejected": "No idea.", "source_index": number,
             "metadata": {"score_chosen": 8.0, "score_rejected": 3.0}}
            for number, topic in enumerate(topics)
        ],
        "hh_rlhf": [
            {"chosen": f"\n\nHuman: May I {topic}?\n\nAssistant: Yes, if you {topic} with care.",
             "rejected": f"\n\nHuman: May I {topic}?\n\nAssistant: I do not know"}
            for topic in topics
        ],
        "user_oriented": [
            {"id": f"{number}", "motivation_app": "", "instruction": f"Explain how to {topic}.",
             "instances": [{"input": "", "output": "By hand."}]}
            for number, topic in enumerate(topics)
        ],
    }  # fmt: skip
    files = {}
    for name, lines in rows.items():
        files[name] = folder / f"{name}.jsonl"
        files[name].write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return {**files, "ultrafeedback_prompts": files["ultrafeedback"]}


@pytest.mark.slow
def test_the_second_study_runs_whole_on_a_tiny_model(tmp_path):
    tiny = {"tokenizer": "byte_bpe", "vocab_size": 512, "hidden_size": 128,
            "intermediate_size": 128, "layers": 1, "heads": 4, "context_tokens": 512}  # fmt: skip
    settings = [
        *(
            f"sources.{name}.files={json.dumps([str(file)])}"
            for name, file in write_files(tmp_path).items()
        ),
        # the tokenizer of a tiny model is trained on demonstrations
        "sources.hh_rlhf.roles=[preferences, demonstrations]",
        f"model={json.dumps({'gguf': None, 'tiny': tiny, 'dtype': 'float32'})}",
        "evaluation_sets={arc_challenge: null, gsm8k: null, mmlu: null, truthfulqa: null}",
        # responses of a random model to most prompts have equal rewards, and make no pair
        "splits.prompts_per_iteration=64",
        "splits.evaluation_prompts=8",
        "splits.validation_prompts=4",
        "loop.sampling.max_tokens=24",
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    options += ["--home", str(tmp_path / "home")]
    recipe = str(RECIPES / "smollm2_instructions.yaml")
    ran = CliRunner().invoke(app, ["run", recipe, *options], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    lake = Lake(tmp_path / "home" / "lake")
    prompts = lake.read("prompts").select("prompt_id", "reference")
    responses = lake.read("evaluation_responses").join(prompts, on="prompt_id")
    for text, reference, reward in responses.select("response", "reference", "reward").iter_rows():
        followed = [one.is_followed(text) for one in read_reference(reference)]
        assert reward == sum(followed) / len(followed)
    with connect(lake) as connection:
        shown = report(connection, "held_out_rewards")
        failures = {name: check(connection, name) for name in list_checks()}
    models = {"initial_model", "offline_dpo", "one_shot", "iteration_1", "iteration_2"}
    assert set(shown.filter(ranker="reward")["model"]) == models
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}
