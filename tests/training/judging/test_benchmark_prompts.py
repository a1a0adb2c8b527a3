"""Prompts of benchmarks: ours, and the published files' layouts."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from training.benchmarks.mt_bench_task import MT_BENCH_PROMPTS
from training.judging.benchmark_prompts import (
    OURS,
    read_own_prompt,
    read_published_prompt,
    select_mt_bench_prompts,
)
from transforms.benchmarks.judged.verdicts import FIRST_SHARES, read_verdict
from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
PAIR = {"instruction", "output_1", "output_2"}

CHAT_TEXT = """<|im_start|>system
You are a judge.
<|im_end|>
<|im_start|>user
{
    "instruction": \"\"\"{instruction}\"\"\",
    "cost": "$5",
    "m": \"\"\"{output_1}\"\"\", "M": \"\"\"{output_2}\"\"\"
}
<|im_end|>"""


def test_each_of_ours_is_used_and_can_be_filled_in():
    places = {name: places for _, name, places in MT_BENCH_PROMPTS.values()}
    places |= {"choice": PAIR, "five_way": {"question", "answer_a", "answer_b"}}
    assert sorted(places) == sorted(file.stem for file in OURS.glob("*.txt"))
    for name, own in places.items():
        form = name if name in FIRST_SHARES else "rating"
        (message,) = read_own_prompt(name, form, own).fill(**dict.fromkeys(own, "TEXT"))
        assert message["content"].count("TEXT") == len(own)
        # an example in the wording is no verdict on its own: several marks, or a rating to copy
        assert form == "rating" or read_verdict(message["content"], form) in (None, "B>>A")


def test_what_is_filled_in_stays_what_it_is():
    prompt = read_own_prompt("choice", "choice", PAIR)
    (message,) = prompt.fill(instruction="$output_1 {output_2}", output_1="$$", output_2="{m}")
    for text in ("$output_1 {output_2}", "\n$$\n", "\n{m}\n"):
        assert text in message["content"]


def test_a_prompt_with_other_places_is_refused():
    with pytest.raises(InputError, match="the placeholders instruction, output_1"):
        read_own_prompt("choice", "choice", {"instruction", "output_1"})


def test_alpaca_evals_layout_is_read(tmp_path):
    file = tmp_path / "alpaca_eval_clf.txt"
    file.write_text(CHAT_TEXT)
    prompt = read_published_prompt(str(file), "choice", "choice", PAIR, {})
    system, user = prompt.fill(instruction="Do {it}.", output_1="a", output_2="b")
    assert system == {"role": "system", "content": "You are a judge."}
    assert json.loads(user["content"].replace('"""', '"')) == {
        "instruction": "Do {it}.",
        "cost": "$5",
        "m": "a",
        "M": "b",
    }


@pytest.mark.parametrize("as_list", [True, False])
def test_arena_hards_layout_is_read(tmp_path, as_list):
    file = tmp_path / "judge_config.yaml"
    template = "<|User Prompt|>\n{question_1}\n\nA: {answer_1}\nB: {answer_2}"
    written = {"system_prompt": "Judge.", "prompt_template": [template] if as_list else template}
    file.write_text(json.dumps(written))  # JSON is YAML
    places = {"question", "answer_a", "answer_b"}
    names = {"question_1": "question", "answer_1": "answer_a", "answer_2": "answer_b"}
    prompt = read_published_prompt(str(file), "five_way", "five_way", places, names)
    system, user = prompt.fill(question="Why?", answer_a="x", answer_b="y")
    assert system["content"] == "Judge."
    assert user["content"] == "<|User Prompt|>\nWhy?\n\nA: x\nB: y"


@pytest.mark.parametrize("content", ["system_prompt: a", "[", "text"])
def test_yaml_without_a_template_is_refused(tmp_path, content):
    file = tmp_path / "judge_config.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match="YAML with prompt_template"):
        read_published_prompt(str(file), "five_way", "five_way", {"question"}, {})


def test_a_version_is_that_of_the_wording(tmp_path):
    file = tmp_path / "prompt.txt"
    versions = []
    for wording in ("Which, {instruction}?", "Which one, {instruction}?"):
        file.write_text(wording)
        prompt = read_published_prompt(str(file), "choice", "choice", {"instruction"}, {})
        versions.append(prompt.version)
    assert len(set(versions)) == 2


def test_the_published_prompts_of_mt_bench_are_those_that_its_judgments_were_asked_with():
    folder = DATA / "mt_bench"
    if not folder.is_dir():
        pytest.skip("PREFLOOP_TEST_DATA has no mt_bench")
    raw = read_part(
        "mt_bench", "judge_prompts", OriginSettings(files=(str(folder / "judge_prompts.jsonl"),))
    )
    wanted = {name: places for name, _, places in MT_BENCH_PROMPTS.values()}
    prompts = {prompt.name: prompt for prompt in select_mt_bench_prompts(raw, wanted, "rating")}
    rows = pl.read_ndjson(folder / "judgment_phi-3-dpo_single.jsonl.gz")
    for (name,), rows_of_prompt in rows.group_by(pl.col("judge").list.get(1)):
        places = {place: f"<{place}>" for place in wanted[name]}
        _, user = prompts[name].fill(**places)
        # the text around the placeholders is in every request that was sent
        pieces = user["content"]
        for place in places.values():
            pieces = pieces.replace(place, "\0")
        for sent in rows_of_prompt["user_prompt"]:
            at = -1
            for piece in pieces.split("\0"):
                at = sent.index(piece, at + 1)
    assert set(rows["judge"].list.get(1)) == set(prompts)


def test_a_prompt_of_mt_bench_that_is_not_there_is_named():
    schema = dict.fromkeys(("name", "system_prompt", "prompt_template"), pl.String)
    with pytest.raises(InputError, match="no single-v1"):
        select_mt_bench_prompts(pl.DataFrame(schema=schema), {"single-v1": {"question"}}, "rating")
