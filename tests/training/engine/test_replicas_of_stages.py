"""Every stage that runs a model: two processes give the rows of one, each once.

Rows meet others in their batches, so values differ by rounding (float32 here: at most 1e-5).
"""

import sys
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from training.engine.device_processes import DeviceProcesses
from training.engine.sequence_logps import compute_response_logps
from training.evaluation import evaluate, score_rows
from training.judging.judge import judge, open_judge
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.preference_model import train_preference_model
from training.ranking import rank
from training.reference_logps import add_reference_logps
from training.scoring import score, score_pairs
from training.settings.evaluation import EvaluationSettings
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings
from training.settings.model import DeviceSettings
from training.settings.objectives import DPOSettings
from training.settings.scoring import RankingSettings, ScoringSettings
from training.settings.stages import PreferenceModelSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.lake.schemas.table import MESSAGES

pytestmark = pytest.mark.slow

ONE, TWO = DeviceSettings(), DeviceSettings(replicas=2)
KEYS = ["prompt_id", "response_index"]


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory, tiny_settings, demonstrations) -> Path:
    folder = tmp_path_factory.mktemp("replicas") / "reward_model"
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), folder, seed=2)
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def preference_model(tmp_path_factory, tiny_policy, preference_pairs) -> Path:
    folder = tmp_path_factory.mktemp("replicas") / "preference_model"
    settings = PreferenceModelSettings(
        max_steps=1, batch_size=8, micro_batch_size=8, max_tokens=64, packing=False
    )
    train_preference_model(preference_pairs, tiny_policy, folder, settings, seed=0, dtype="float32")
    return folder


@pytest.fixture(scope="module")
def responses(preference_pairs) -> pl.DataFrame:
    """Four responses to each of eight prompts."""
    texts = ["the cat .", "the dog is red", "red", "the cat is a cat ."]
    return preference_pairs.select("prompt_id", "prompt").join(
        pl.DataFrame(
            {"response_index": range(4), "response": texts, "finish_reason": ["stop", "length"] * 2}
        ).cast({"response_index": pl.Int32}),
        how="cross",
    )


@pytest.fixture
def killed(monkeypatch):
    """Replica 1 computes nothing, and is killed after the first chunk of replica 0."""
    start = DeviceProcesses._start
    code = """
import glob, os, signal, time
while not glob.glob("{work}/0-chunks/chunk-*.parquet"):
    time.sleep(0.1)
time.sleep(1)
os.kill(os.getpid(), signal.SIGKILL)
"""

    def start_or_kill(self, index, command):
        own = [sys.executable, "-c", code.format(work=self._work)]
        return start(self, index, own if index == 1 else command)

    def run_killed(run, *arguments):
        with monkeypatch.context() as patched:
            patched.setattr(DeviceProcesses, "_start", start_or_kill)
            with pytest.raises(RuntimeError, match="replica 1 ended with status 137"):
                run(*arguments)
        assert not psutil.Process().children()

    return run_killed


def rank_on(model, rows, devices, commit):
    return rank(
        rows,
        model,
        RankingSettings(chunk_prompts=1),
        dtype="float32",
        commit=commit,
        devices=devices,
    )


def score_on(model, rows, devices, commit):
    return score(
        rows, model, ScoringSettings(chunk_rows=4), dtype="float32", commit=commit, devices=devices
    )


@pytest.mark.parametrize("stage", ["scoring", "ranking"])
def test_rewards_are_those_of_one_process_and_a_kill_costs_only_missing_rows(
    stage, reward_model, preference_model, responses, killed
):
    model, run = {
        "scoring": (reward_model, score_on),
        "ranking": (preference_model, rank_on),
    }[stage]
    one: list[pl.DataFrame] = []
    two: list[pl.DataFrame] = []
    expected = run(model, responses, ONE, one.append)
    found = run(model, responses, TWO, two.append)
    assert (found.responses, found.tokens) == (expected.responses, expected.tokens)
    whole = pl.concat(one).sort(KEYS)
    rows = pl.concat(two).sort(KEYS)
    assert rows.select(KEYS).equals(whole.select(KEYS))
    assert rows["reward"].to_list() == pytest.approx(whole["reward"].to_list(), abs=1e-5)

    chunks: list[pl.DataFrame] = []
    killed(run, model, responses, TWO, chunks.append)
    missing = responses.join(pl.concat(chunks), on=KEYS, how="anti", maintain_order="left")
    assert 0 < missing.height < responses.height
    assert run(model, missing, TWO, chunks.append).responses == missing.height
    again = pl.concat(chunks).sort(KEYS)
    assert again.select(KEYS).equals(whole.select(KEYS))
    assert again["reward"].to_list() == pytest.approx(whole["reward"].to_list(), abs=1e-5)


def test_a_row_without_a_reward_costs_no_other_row(reward_model, responses):
    null = responses.with_columns(
        response=pl.when(prompt_id="prompt-3", response_index=1).then(None).otherwise("response")
    )
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match=r"replica \d of 2: prompt prompt-3, response 1 has no te"):
        score_on(reward_model, null, TWO, chunks.append)
    assert pl.concat(chunks).height == responses.height - 1


def test_both_sides_of_pairs_keep_their_place(reward_model, preference_pairs):
    settings = ScoringSettings(chunk_rows=3)
    one, two = (
        score_pairs(preference_pairs, reward_model, settings, dtype="float32", devices=devices)
        for devices in (ONE, TWO)
    )
    assert two["pair_id"].equals(preference_pairs["pair_id"])
    for side in ("chosen_reward", "rejected_reward"):
        assert two[side].to_list() == pytest.approx(one[side].to_list(), abs=1e-5)


def test_log_probabilities_and_kls_of_responses_are_those_of_one_process(
    tiny_policy, other_policy, responses
):
    one, two = (
        compute_response_logps(
            responses,
            tiny_policy,
            batch_tokens=64,
            dtype="float32",
            devices=devices,
            reference=other_policy,
        )
        for devices in (ONE, TWO)
    )
    assert one["kl"].min() > 0
    for name in ("logp", "reference_logp", "kl"):
        assert two[name].to_list() == pytest.approx(one[name].to_list(), abs=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_reference_computes_what_is_not_stored(
    dtype, tiny_policy, other_policy, preference_pairs, tmp_path, killed
):
    store = ReferenceLogps(Lake(tmp_path / "lake"), hash_checkpoint(other_policy), dtype)
    settings = DPOSettings(max_tokens=64, reference_chunk_sequences=1)

    def run(devices, known=store.read_known):
        with store.append_chunks() as append:
            return add_reference_logps(
                preference_pairs,
                tiny_policy,
                other_policy,
                settings,
                dtype=dtype,
                known=known,
                commit=append,
                devices=devices,
            )

    killed(run, TWO)
    done = run(TWO)
    assert done.sequences == 16
    assert 0 < done.computed < 16
    assert run(TWO).computed == 0
    alone = run(ONE, lambda wanted: wanted.clear().select(LOGPS_COLUMNS))
    names = ["ref_chosen_logps", "ref_rejected_logps"]
    assert alone.computed == 16
    assert done.pairs.drop(names).equals(alone.pairs.drop(names))
    tolerance = {"float32": 1e-5, "bfloat16": 0.05}[dtype]
    for name in names:
        assert done.pairs[name].to_list() == pytest.approx(
            alone.pairs[name].to_list(), abs=tolerance
        )


LOGPS_COLUMNS = [
    "sequence_id",
    pl.lit(None, pl.Int32).alias("completion_tokens"),
    pl.lit(None, pl.Float64).alias("logp"),
]


def test_an_evaluation_has_every_response_once(
    tiny_policy, other_policy, reward_model, preference_pairs, tmp_path
):
    prompts = preference_pairs.select("prompt_id", "prompt", split=pl.lit("evaluation"))
    sampling = {"max_tokens": 6, "max_context_tokens": 64, "chunk_prompts": 2, "max_sequences": 16}
    one, two = (
        evaluate(
            tiny_policy,
            other_policy,
            lambda rows, open_chunks, devices=devices: score_rows(
                rows,
                reward_model,
                ScoringSettings(),
                dtype="float32",
                devices=devices,
                chunks=open_chunks("rewards"),
            ),
            prompts,
            LoopSettings.model_validate({"sampling": sampling}),
            EvaluationSettings(samples=3),
            seed=1,
            dtype="float32",
            gold=None,
            work=tmp_path / str(devices.replicas),
            devices=devices,
        )
        for devices in (ONE, TWO)
    )
    key = ["decoding", *KEYS]
    assert two.select(key).equals(one.select(key))
    assert two.select(key).n_unique() == two.height == 8 * 4
    assert set(two.filter(decoding="sampled")["seed"]) == {1, 2}
    greedy = [rows.filter(decoding="greedy") for rows in (one, two)]
    assert greedy[0]["response"].equals(greedy[1]["response"])
    for name in ("reward", "policy_logp", "reference_logp", "kl_to_initial"):
        assert two[name].null_count() == 0
        assert greedy[1][name].to_list() == pytest.approx(greedy[0][name].to_list(), abs=1e-5)


@pytest.fixture(scope="module")
def comparisons() -> pl.DataFrame:
    rows = [
        (f"c{number}", [{"role": "user", "content": "which answer"}], f"text {'it ' * number}", "a")
        for number in range(10)
    ]
    schema = {"comparison_id": pl.String, "prompt": MESSAGES}
    return pl.DataFrame(
        rows, schema=schema | {"first": pl.String, "second": pl.String}, orient="row"
    )


def test_a_judge_answers_every_request_once(judge_model, comparisons):
    def ask(rows, devices, commit):
        settings = JudgeSettings(
            path=str(judge_model),
            devices=devices,
            max_tokens=4,
            max_context_tokens=1024,
            chunk_comparisons=1,
        )
        return judge(rows, settings, dtype="float32", commit=commit)

    key = ["comparison_id", "a_is"]
    one: list[pl.DataFrame] = []
    two: list[pl.DataFrame] = []
    ask(comparisons, None, one.append)
    run = ask(comparisons, TWO, two.append)
    whole = pl.concat(one).sort(key)
    assert run.comparisons == 10
    assert whole.height == 20
    assert pl.concat(two).sort(key).equals(whole)  # greedy, so the texts are equal


def test_a_killed_replica_of_a_judge_is_reported(judge_model):
    settings = JudgeSettings(
        path=str(judge_model), devices=TWO, max_tokens=4, max_context_tokens=1024
    )
    asked = [[{"role": "user", "content": f"which answer {'it ' * number}"}] for number in range(8)]
    with open_judge(settings, dtype="float32", top_logprobs=2) as opened:
        for _ in range(2):  # the engines stay for the second call
            answers = dict(opened.answer_requests(iter(asked)))
            assert sorted(answers) == list(range(8))
            assert all(len(answer.top_logprobs) == 2 for answer in answers.values())
        for process in psutil.Process().children()[0].children(recursive=True):
            process.kill()
        with pytest.raises(RuntimeError, match=r"replica \d ended with status 137"):
            dict(opened.answer_requests(iter(asked)))
    assert not psutil.Process().children()
