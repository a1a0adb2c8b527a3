from pathlib import Path

import pytest
import yaml

from training.recipe_file import load_recipe
from transforms.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "recipes" / "quickstart.yaml"


@pytest.fixture
def write(tmp_path):
    """Write recipes, by name and text; the path of the first."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path / f"{next(iter(texts))}.yaml"

    return write


def test_a_recipe_holds_what_differs_from_its_base(write) -> None:
    recipe = load_recipe(
        write(
            study=f"""
base: {QUICKSTART}
name: study
loop: {{dpo: {{beta: 0.2}}}}
experiments: {{raft_concise: null, ipo: {{dpo: {{loss: ipo}}}}}}
"""
        )
    )
    base = load_recipe(QUICKSTART)
    assert list(recipe.experiments) == ["iterative", "ipo"]
    assert recipe.loop.dpo == base.loop.dpo.model_copy(update={"beta": 0.2})
    assert recipe.loop.sampling == base.loop.sampling
    assert recipe.sources == base.sources


def test_the_nearest_recipe_of_a_chain_wins_and_the_command_line_over_all(write) -> None:
    path = write(
        top="base: middle.yaml\nname: top\nsft: {epochs: 3}\n",
        middle=f"base: {QUICKSTART}\nname: middle\nseed: 7\nsft: {{epochs: 2, batch_size: 64}}\n",
    )
    recipe = load_recipe(path, ["sft.logging_steps=9", "experiments.raft_concise=null"])
    assert (recipe.name, recipe.seed) == ("top", 7)
    assert (recipe.sft.epochs, recipe.sft.batch_size, recipe.sft.logging_steps) == (3, 64, 9)
    assert "raft_concise" not in recipe.experiments


@pytest.mark.parametrize(
    ("model", "key", "resolved"),
    [
        ("{gguf: models/a.gguf}", "gguf", "{folder}/models/a.gguf"),
        ("{gguf: /models/a.gguf}", "gguf", "/models/a.gguf"),
        ("{gguf: package:weights/a.gguf}", "gguf", "package:weights/a.gguf"),
        ("{path: ./model}", "path", "{folder}/model"),
        ("{path: org/model}", "path", "org/model"),
        ("{path: ~/model}", "path", "{home}/model"),
        ("{path: null, gguf: ~/model.gguf}", "gguf", "{home}/model.gguf"),
        ("{path: org/model, tokenizer: ../chat}", "tokenizer", "{above}/chat"),
    ],
)
def test_models_are_relative_to_the_file_that_names_them(write, tmp_path, model, key, resolved):
    """A path without ./ may be a hub id."""
    path = write(top=f"base: {QUICKSTART}\nname: top\nmodel: {model}\n")
    path.write_text(path.read_text().replace("model: {", "model: {tiny: null, "))
    found = getattr(load_recipe(path).model, key)
    places = {"folder": tmp_path, "above": tmp_path.parent, "home": Path.home()}
    assert found == resolved.format(**places)


def test_lists_of_a_base_are_replaced(write) -> None:
    path = write(
        top="base: low.yaml\nname: top\nloop: {sampling: {samplers: [{n: 2}]}}\n",
        low=f"base: {QUICKSTART}\nloop: {{sampling: {{samplers: [{{n: 4}}, {{n: 4}}]}}}}\n",
    )
    assert load_recipe(path).loop.sampling.responses_per_prompt == 2


def test_paths_are_relative_to_the_file_that_names_them(write, tmp_path) -> None:
    (tmp_path / "low").mkdir()
    keys = yaml.safe_load((ROOT / "recipes" / "hh_rlhf_cpu.yaml").read_text())
    for source in keys["sources"].values():
        source["files"] = ["rows.jsonl"]
    keys["sft"]["accelerate_config"] = "fsdp.yaml"
    (tmp_path / "low" / "low.yaml").write_text(yaml.safe_dump(keys))
    first, *_ = keys["sources"]
    path = write(
        top=f"base: low/low.yaml\nname: top\nsources: {{{first}: {{files: [own.jsonl]}}}}\n"
        "experiments: {sharded: {dpo: {accelerate_config: own.yaml}}}\n"
    )
    recipe = load_recipe(path, [f"sources.{first}.max_rows=3"])
    assert recipe.sources[first].files == (str(tmp_path / "own.jsonl"),)
    assert recipe.sources[first].max_rows == 3
    assert recipe.sft.accelerate_config == str(tmp_path / "low" / "fsdp.yaml")
    assert recipe.resolve_loop("sharded").dpo.accelerate_config == str(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"top": "base: top.yaml"}, [r"top\.yaml is a base of itself", r"remove `base`"]),
        (
            {"top": "base: low.yaml", "low": "base: top.yaml"},
            [r"top\.yaml -> \S*low\.yaml -> \S*top\.yaml", r"remove `base` from \S*low\.yaml"],
        ),
        ({"top": "base: lower.yaml"}, [r"lower\.yaml, the base of \S*top\.yaml, cannot be read"]),
        ({"top": "base: 3"}, [r"top\.yaml is refused", "base = 3"]),
        ({"top": "base: low.yaml", "low": "- 1"}, [r"low\.yaml, the base of .* is not a recipe"]),
        (
            {
                "top": "base: low.yaml\nname: top",
                "low": f"base: {QUICKSTART}\nsft: {{epoks: 1}}",
            },
            [r"top\.yaml is refused", r"unknown key sft\.epoks \(\S*low\.yaml, line 2\)"],
        ),
        (
            {
                "top": "base: low.yaml\nname: top",
                "low": f"base: {QUICKSTART}\nexperiments: {{ipo: {{dpo: {{los: ipo, beta: -1}}}}}}",
            },
            [
                r"unknown key experiments\.ipo\.dpo\.los \(\S*low\.yaml, line 2\)",
                r"experiments\.ipo\.dpo\.beta = -1 \(\S*low\.yaml, line 2\)",
            ],
        ),
        ({"top": "base: ''"}, ["base = ''"]),
        ({"top": 'base: "a\\0b"'}, [r"base = 'a\\x00b'"]),
        ({"top": "base: tpo.yaml"}, [r"did you mean top\.yaml in \S+\?$"]),
        ({"top": "base: ."}, ["cannot be read", r"use one of \S*top\.yaml"]),
        ({"top": f"base: {'a' * 400}"}, ["the base of .* cannot be read", "check the path"]),
        (
            {"top": f"base: {QUICKSTART}\nname: top\nloop: {{dpo: {{beta: -1}}}}"},
            [r"loop\.dpo\.beta = -1 \(\S*top\.yaml, line 3\)"],
        ),
    ],
)
def test_a_base_that_cannot_be_used_is_refused_by_its_file(write, texts, words) -> None:
    path = write(**texts)
    for word in words:
        with pytest.raises(InputError, match=word):
            load_recipe(path)


def test_a_recipe_that_is_not_utf_8_is_refused(tmp_path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9")
    with pytest.raises(InputError, match="save the file as UTF-8"):
        load_recipe(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path, encoding) -> None:
    path = tmp_path / "marked.yaml"
    path.write_text(f"base: {QUICKSTART}\nname: marked\n", encoding=encoding)
    assert load_recipe(path).name == "marked"


def test_an_experiment_written_twice_is_refused(write) -> None:
    path = write(top=f"base: {QUICKSTART}\nexperiments:\n  a: {{}}\n  a: {{objective: raft}}\n")
    with pytest.raises(InputError, match=r"the key a is there twice(.|\n)*line 4"):
        load_recipe(path)


def test_a_key_of_the_command_line_is_named_as_such() -> None:
    with pytest.raises(InputError, match=r"loop\.dpo\.beta = -1 \(--set\)"):
        load_recipe(ROOT / "recipes" / "experiments.yaml", ["loop.dpo.beta=-1"])


def test_the_name_of_a_base_is_not_inherited(write) -> None:
    path = write(top=f"base: {QUICKSTART}\nseed: 1\n")
    with pytest.raises(InputError, match=r"a name of its own(.|\n)*write for example name: top"):
        load_recipe(path)
