"""Answers to questions of one turn and of two, by a tiny model in the real engine."""

import json

import polars as pl

from training.benchmarks import sampled_answers as module
from training.benchmarks.sampled_answers import answer_questions
from training.engine.sampler import Sampler
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import ANSWERS, REQUESTS

QUESTIONS = {**REQUESTS, "turns": pl.List(pl.String), "temperature": pl.Float64}
SAMPLING = SamplingSettings(max_tokens=8, max_context_tokens=64, chunk_prompts=2)


def asked(*turns: list[str], temperature: float = 0.0) -> pl.DataFrame:
    rows = [
        ("s", f"i{number}", 0, f"r{number}", said, temperature) for number, said in enumerate(turns)
    ]
    return pl.DataFrame(rows, schema=QUESTIONS, orient="row")


def answers(policy, questions, sampling=SAMPLING):
    chunks: list[pl.DataFrame] = []
    answer_questions(
        policy,
        questions,
        sampling,
        seed=0,
        dtype="float32",
        commit=chunks.append,
        description="test",
    )
    return chunks


def test_the_second_turn_is_asked_with_the_first_answer(tiny_policy, monkeypatch):
    prompts: list[pl.DataFrame] = []
    sample = Sampler.sample
    monkeypatch.setattr(
        module.Sampler,
        "sample",
        lambda self, rows, settings, **named: (
            prompts.append(rows.with_columns(temperature=pl.lit(settings.temperature))),
            sample(self, rows, settings, **named),
        )[1],
    )
    cold = asked(*(["name a red cat", f"name a {word} dog"] for word in ("green", "blue", "grey")))
    warm = asked(["name a tree", "name a dog"], temperature=0.7).with_columns(item=pl.lit("warm"))
    chunks = answers(tiny_policy, pl.concat([cold, warm]))
    # a commit holds two items that went through both turns
    assert [chunk.height for chunk in chunks] == [2, 1, 1]
    rows = pl.concat(chunks)
    assert dict(rows.schema) == ANSWERS
    texts = {row["item"]: json.loads(row["answer"]) for row in rows.to_dicts()}
    assert {len(both) for both in texts.values()} == {2}
    for asked_of in prompts[1::2]:
        for row in asked_of.to_dicts():
            question, answer, _ = row["prompt"]
            assert question["role"] == "user"
            assert answer == {"role": "assistant", "content": texts[row["prompt_id"]][0]}
    temperatures = {
        row["prompt_id"]: row["temperature"] for rows in prompts for row in rows.to_dicts()
    }
    assert temperatures == {"i0": 0.0, "i1": 0.0, "i2": 0.0, "warm": 0.7}
    assert set(rows["finish_reason"]) <= {"stop", "length"}
    # the same first question, greedily: the same first answer
    assert len({texts[item][0] for item in ("i0", "i1", "i2")}) == 1


def test_no_question_starts_no_engine(tiny_policy):
    assert answers(tiny_policy, asked()) == []
