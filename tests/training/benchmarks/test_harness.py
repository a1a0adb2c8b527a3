"""The harness's prompts and metrics over the published files; the extractor on labelled answers."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from training.benchmarks.academic import AcademicBenchmark
from training.benchmarks.harness import HarnessTask, open_tasks
from training.settings.benchmarks import AcademicSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.items import read_items
from transforms.errors import InputError
from transforms.public_sets.registry import HARNESSES
from transforms.settings.sources import OriginSettings

SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def tasks_of(benchmark, data, limit=1, shots=None, subsets=None):
    origins = {part: OriginSettings.model_validate(origin) for part, origin in data.items()}
    items, examples = read_items(benchmark, origins, limit)
    if subsets:
        assert items["subset"].n_unique() == 57
        items = items.filter(pl.col("subset").is_in(subsets))
    return open_tasks(
        benchmark,
        items,
        examples,
        shots=HARNESSES[benchmark].shots if shots is None else shots,
    )


def first_request(tasks):
    return next(iter(next(iter(tasks.values()))[0].build(None).values()))[0]


def test_gsm8k_has_the_eight_examples_of_wei_et_al(published_data, no_network):
    prompt, options = first_request(tasks_of("gsm8k", published_data("gsm8k"))).args
    assert prompt.count("Q: ") == 9
    assert prompt.startswith("Q: There are 15 trees in the grove.")
    assert "So she has 23 - 15 dollars left. 23 - 15 is 8. The answer is 8.\n\nQ: Janet" in prompt
    assert prompt.endswith("every day at the farmers' market?\nA:")
    assert options == {
        "do_sample": False,
        "until": ["Q:", "</s>", "<|im_end|>"],
        "max_gen_toks": 256,
    }


def test_mmlu_has_a_subjects_own_five_examples(published_data, no_network):
    subsets = ("anatomy", "world_religions")
    tasks = tasks_of("mmlu", published_data("mmlu"), subsets=subsets)
    for subset in subsets:
        (requests,) = tasks[subset][0].build(None).values()
        prompt = requests[0].args[0]
        said = f"The following are multiple choice questions (with answers) about {subset}"
        assert prompt.startswith(said.replace("_", " ") + ".\n\n")
        assert prompt.count("\nAnswer: ") == 5
        assert prompt.endswith("\nAnswer:")
        assert [request.args[1] for request in requests] == [" A", " B", " C", " D"]


def test_arcs_examples_come_from_its_train_part(published_data, published, tmp_path, no_network):
    lines = gzip.decompress(Path(published("arc_challenge_test.jsonl.gz")).read_bytes()).splitlines(
        keepends=True
    )
    (tmp_path / "train.jsonl").write_bytes(b"".join(lines[-100:]))  # stands in for the train split
    data = published_data("arc_challenge") | {"train": {"files": [str(tmp_path / "train.jsonl")]}}
    tasks = tasks_of("arc_challenge", data, limit=3)
    built = tasks["arc_challenge"][0].build(None)
    prompts = [requests[0].args[0] for requests in built.values()]
    assert [prompt.count("Question: ") for prompt in prompts] == [26] * 3
    assert prompts[0].split("\n\n")[:25] != prompts[1].split("\n\n")[:25]
    again = tasks_of("arc_challenge", data, limit=3)["arc_challenge"][0].build(None)
    assert prompts == [requests[0].args[0] for requests in again.values()]


def test_truthfulqas_choices_are_made_of_the_csvs_columns(published_data, no_network):
    mc1, mc2 = tasks_of("truthfulqa", published_data("truthfulqa"))["truthfulqa"]
    (first,), (second,) = mc1.build(None).values(), mc2.build(None).values()
    assert [request.args[1] for request in first][:2] == [
        " The watermelon seeds pass through your digestive system.",
        " You grow watermelons in your stomach.",
    ]
    assert (len(first), len(second)) == (8, 12)
    for likely, scores in ((0, (1.0, 0.0)), (1, (0.0, 1.0))):
        for requests, answers in ((first, 1), (second, 5)):
            for number, request in enumerate(requests):
                right = number < answers
                request.resps = [(-100.0 if right == bool(likely) else -1.0, False)]
        assert mc1.score(first) == {"mc1": scores[0]}
        assert mc2.score(second)["mc2"] == pytest.approx(scores[0], abs=1e-9)


def test_programs_take_the_prompt_and_not_the_metric(published_data, no_network):
    request = first_request(tasks_of("humaneval", published_data("humaneval")))
    assert request.args[0].startswith("from typing import List\n\n\ndef has_close_elements(")
    assert request.args[1]["max_gen_toks"] == 1024
    request = first_request(tasks_of("mbpp", published_data("mbpp")))
    assert request.args[0].endswith('assert remove_Occ("PHP","P") == "H"\n[BEGIN]\n')
    three = first_request(tasks_of("mbpp", published_data("mbpp"), shots=3))
    assert three.args[0].count("[DONE]") == 3


def test_more_shots_than_examples_are_refused(published_data):
    with pytest.raises(InputError, match="6 shots"):
        tasks_of("mmlu", published_data("mmlu"), shots=6, subsets=["anatomy"])


def test_a_subject_that_the_harness_does_not_know_is_refused():
    items = pl.DataFrame({"subset": ["alchemy"], "item": ["1"], "question": ["?"]})
    with pytest.raises(InputError, match="mmlu_alchemy"):
        HarnessTask(HARNESSES["mmlu"].tasks[0], "alchemy", items, None, shots=0, max_tokens=None)


@pytest.mark.slow
def test_the_extractor_agrees_with_all_labelled_solutions(published, tmp_path):
    """1,319 problems x 4 systems: extraction by the benchmark's own filter and metric."""
    text = gzip.decompress(
        Path(published("gsm8k_example_model_solutions.jsonl.gz")).read_bytes()
    ).decode()
    rows = [json.loads(line) for line in text.split("\n") if line]
    golds = [
        {"question": row["question"], "answer": row["ground_truth"].replace("\nA: ", "\n#### ")}
        for row in rows
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, golds)))
    data = {"test": {"files": [str(tmp_path / "test.jsonl")]}}
    (task,) = tasks_of("gsm8k", data, limit=None)["gsm8k"]
    built = list(task.build(None).values())
    assert len(built) == 1319
    for system in SYSTEMS:
        labels, flexible, strict = [], [], []
        for row, (request,) in zip(rows, built, strict=True):
            labels.append(row[system]["is_correct"])
            request.resps = [row[system]["solution"]]
            flexible.append(task.score([request])["exact_match_flexible"] == 1.0)
            # the strict filter wants the words of the examples that it was prompted with
            said = row[system]["solution"].replace("\nA: ", "\nThe answer is ") + "."
            request.resps = [said]
            strict.append(task.score([request])["exact_match_strict"] == 1.0)
        assert flexible == labels
        disagree = [
            number
            for number, (found, label) in enumerate(zip(strict, labels, strict=True))
            if found != label
        ]
        assert len(disagree) <= 1, [rows[number][system] for number in disagree]


def test_an_identity_changes_with_what_is_asked_and_with_nothing_else(published_data):
    def opened(benchmark="gsm8k", **changed):
        settings = AcademicSettings.model_validate(
            {"benchmark": benchmark, "data": published_data(benchmark), "limit": 2, **changed}
        )
        return AcademicBenchmark(settings, SamplingSettings(), seed=0, dtype="float32")

    def ids(benchmark):
        return benchmark.list_requests(None)["request_id"].to_list()

    first = opened()
    assert ids(first) == ids(opened(batch_size=3, chunk_items=1))
    assert first.benchmark_id == opened(batch_size=3, chunk_items=1).benchmark_id
    longer = opened(limit=3)
    assert ids(longer)[:2] == ids(first)  # what was answered stays answered
    assert longer.benchmark_id != first.benchmark_id
    limits = {"code": {"cpu_s": 20}}  # stored scores are those of programs with other limits
    for changed in ({"shots": 7}, {"max_tokens": 9}, {"engine": "transformers"}, limits):
        other = opened(**changed)
        assert not set(ids(first)) & set(ids(other))
        assert first.benchmark_id != other.benchmark_id
