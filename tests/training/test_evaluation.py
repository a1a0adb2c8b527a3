"""An evaluation that is interrupted: the next one computes only what is missing."""

from functools import partial

import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from training import evaluation
from training.engine import sequence_logps
from training.engine.chunk_folder import ChunkFolder
from training.evaluation import evaluate, rank_decodings, score_rows
from training.models.initial_model import make_tiny_model
from training.settings.evaluation import EvaluationSettings
from training.settings.loop import LoopSettings

LOOP = LoopSettings.model_validate({"scoring": {"chunk_rows": 10}})
CHUNKS = {"responses": 4, "rewards": 2, "logps": 3}
"""Chunks of the 16 rows below."""


class KilledError(Exception):
    """Stands for a killed process."""


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory, tiny_settings, demonstrations):
    folder = tmp_path_factory.mktemp("evaluation") / "reward_model"
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), folder, seed=2)
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).save_pretrained(folder)
    return folder


@pytest.fixture
def run(monkeypatch, tiny_policy, other_policy, reward_model, preference_pairs):
    """Evaluate eight prompts, with made-up responses in chunks of four prompts."""

    def sample(prompts, policy, settings, *, commit, **_):
        for chunk in prompts.iter_slices(4):
            text = pl.concat_str(pl.lit("the cat is "), "decoding")
            facts = {"response_index": pl.lit(0, pl.Int32), "finish_reason": pl.lit("stop")}
            commit(chunk.select("prompt_id", "decoding", response=text, **facts))

    monkeypatch.setattr(evaluation, "sample_decodings", sample)
    monkeypatch.setattr(sequence_logps, "ROWS_AT_ONCE", 6)
    return partial(
        evaluate,
        tiny_policy,
        other_policy,
        lambda rows, open_chunks: score_rows(
            rows, reward_model, LOOP.scoring, dtype="float32", chunks=open_chunks("rewards")
        ),
        preference_pairs.select("prompt_id", "prompt", split=pl.lit("evaluation")),
        LOOP,
        EvaluationSettings(samples=1),
        seed=0,
        dtype="float32",
        gold=None,
    )


def test_an_evaluation_goes_on_after_every_chunk_and_has_the_same_rows(run, monkeypatch, tmp_path):
    whole = run(work=tmp_path / "whole")
    assert whole.height == 16
    found = {part: len([*(tmp_path / "whole" / part).glob("*.parquet")]) for part in CHUNKS}
    assert found == CHUNKS
    write, written = ChunkFolder.write, []

    def write_one_and_stop(folder, chunk):
        write(folder, chunk)
        written.append(folder.folder.name)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(ChunkFolder, "write", write_one_and_stop)
        for _ in range(sum(CHUNKS.values())):
            with pytest.raises(KilledError):
                run(work=tmp_path / "often")
        again = run(work=tmp_path / "often")  # nothing is left to compute
    assert {part: written.count(part) for part in CHUNKS} == CHUNKS
    names = ["reward", "policy_logp", "reference_logp", "kl_to_initial"]
    assert whole["kl_to_initial"].min() > 0
    assert again.drop(names).equals(whole.drop(names))
    for name in names:  # rows meet others in their batches, so values differ by rounding
        assert again[name].to_list() == pytest.approx(whole[name].to_list(), abs=1e-5)


def test_log_probabilities_are_float32_whatever_type_samples(run, tmp_path):
    whole, half = (run(work=tmp_path / dtype, dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert half.equals(whole)


def test_a_ranker_sees_the_responses_of_one_decoding_at_a_time(tmp_path):
    """Both decodings of a prompt have a response 0."""
    rows = pl.DataFrame(
        {"decoding": ["sampled", "greedy", "sampled"], "prompt_id": ["p", "p", "q"],
         "response_index": [0, 0, 0], "response": ["three", "one", "seven__"]}
    )  # fmt: skip
    calls = []

    def rank(part, commit):
        calls.append(part["response"].to_list())
        reward = pl.col("response").str.len_chars()
        commit(part.reverse().select("prompt_id", "response_index", reward=reward))

    chunks = ChunkFolder(tmp_path / "rewards")
    chunks.claim({})
    assert rank_decodings(rows, rank, chunks).to_list() == [5, 3, 7]
    assert calls == [["three", "seven__"], ["one"]]
    assert rank_decodings(rows, rank, chunks).to_list() == [5, 3, 7]
    assert len(calls) == 2  # kept by the folder
