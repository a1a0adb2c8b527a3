"""A judge in the real engine: a tiny model of random weights, which answers nonsense."""

import math
from pathlib import Path

import polars as pl
import pytest

from training.judging.judge import describe_judge, judge, open_judge
from training.judging.judge_ranker import judge_responses
from training.judging.rubrics import list_rubrics, read_rubric
from training.models.initial_model import make_tiny_model
from training.settings.judge import JudgeSettings
from training.settings.model import TinyModelSettings
from training.settings.scoring import RankingSettings
from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES

CONTEXT = 512


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "model"
    tiny = TinyModelSettings(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        layers=1,
        heads=2,
        context_tokens=CONTEXT,
    )
    words = read_rubric("helpfulness").replace("[[", "").replace("]]", "")
    make_tiny_model(tiny, [[{"role": "user", "content": words}]], folder, seed=0)
    return folder


def comparisons(*texts: tuple[str, str]) -> pl.DataFrame:
    rows = [
        (f"c{number}", [{"role": "user", "content": "which answer"}], *pair)
        for number, pair in enumerate(texts)
    ]
    schema = {"comparison_id": pl.String, "prompt": MESSAGES}
    return pl.DataFrame(
        rows, schema=schema | {"first": pl.String, "second": pl.String}, orient="row"
    )


def test_nonsense_is_counted_and_a_long_response_named(model):
    rows = comparisons(("the user", "an answer"), ("the " * CONTEXT, "an answer"), ("it", "text"))
    settings = JudgeSettings(path=str(model), max_tokens=8)
    chunks: list[pl.DataFrame] = []
    run = judge(rows, settings, dtype="float32", commit=chunks.append)
    (found,) = chunks
    assert dict(found.schema) == schema_of("judgments")
    assert found.select("comparison_id", "a_is").rows() == [
        (f"c{i}", a_is) for i in range(3) for a_is in ("first", "second")
    ]
    assert found["verdict"].to_list() == ["unparseable"] * 2 + [None] * 2 + ["unparseable"] * 2
    for error in found["error"].to_list()[2:4]:
        assert error.startswith("too long: ")
        assert error.endswith(f"at most {CONTEXT - 8}")
    answers = found.filter(pl.col("error").is_null())
    assert answers["raw_text"].null_count() == 0
    assert set(answers["finish_reason"]) <= {"stop", "length"}
    assert (run.comparisons, run.unparseable, run.unanswered) == (3, 4, 2)

    # decoded greedily, by a new engine with less context: the same words
    again: list[pl.DataFrame] = []
    less = settings.model_copy(update={"max_context_tokens": CONTEXT - 1})
    judge(rows.reverse(), less, dtype="float32", commit=again.append)
    key = ["comparison_id", "a_is"]
    assert again[0].drop("error").sort(key).equals(found.drop("error").sort(key))
    errors = again[0].drop_nulls("error")["error"].to_list()
    assert [error.split(", ")[1] for error in errors] == [f"at most {CONTEXT - 9}"] * 2


@pytest.mark.slow
def test_responses_without_a_verdict_have_no_reward(model):
    rows = pl.DataFrame(
        {
            "prompt_id": ["p", "p"],
            "response_index": [0, 1],
            "prompt": [[{"role": "user", "content": "which answer"}]] * 2,
            "response": ["the user", "an answer"],
        },
        schema_overrides={"response_index": pl.Int32, "prompt": MESSAGES},
    )
    rewards: list[pl.DataFrame] = []
    judgments: list[pl.DataFrame] = []
    run = judge_responses(
        rows,
        JudgeSettings(path=str(model), max_tokens=4),
        RankingSettings(),
        dtype="float32",
        judged=pl.DataFrame(schema=schema_of("judgments")),
        commit_judgments=judgments.append,
        commit=rewards.append,
    )
    assert rewards[0]["reward"].to_list() == [None, None]
    assert (run.unranked, run.undecided, run.judged.unparseable) == (2, 1, 2)
    assert judgments[0].height == 2


def test_a_judge_that_runs_here_is_known_by_its_files(model, tmp_path):
    def row(folder: Path, dtype: str = "float32") -> dict:
        settings = JudgeSettings(path=str(folder))
        return describe_judge(settings, dtype=dtype).row(0, named=True)

    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert row(copy) == row(model)
    assert row(model)["address"] is None
    assert row(model)["rubric_text"] == read_rubric("helpfulness")
    assert row(model, "bfloat16")["judge_id"] != row(model)["judge_id"]
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert row(copy)["model"] == row(model)["model"]
    assert row(copy)["judge_id"] != row(model)["judge_id"]


@pytest.mark.parametrize("rubric", list_rubrics())
def test_a_model_without_room_is_refused_before_an_engine_starts(model, rubric):
    settings = JudgeSettings(path=str(model), rubric=rubric, max_tokens=CONTEXT)
    with pytest.raises(InputError, match=f"below its context of {CONTEXT} tokens"):
        judge(comparisons(("a", "b")), settings, dtype="float32", commit=pytest.fail)


def test_a_hub_model_needs_a_revision():
    with pytest.raises(InputError, match=r"set judge\.revision"):
        describe_judge(JudgeSettings(path="nobody/nothing"), dtype="float32")


@pytest.mark.slow
def test_log_probabilities_of_the_first_token_come_where_they_are_asked_for(model):
    settings = JudgeSettings(path=str(model), max_tokens=1)
    conversation = [{"role": "user", "content": "which answer"}]
    with open_judge(settings, dtype="float32", top_logprobs=5) as opened:
        ((_, answer),) = opened.answer_requests([conversation])
    chances = {text: math.exp(logprob) for text, logprob in answer.top_logprobs.items()}
    assert 1 < len(chances) <= 5
    assert sum(chances.values()) <= 1.0
    # decoded greedily, the answer is the likeliest of them, or the end of the turn
    likeliest = max(chances, key=chances.get)
    assert answer.text == (likeliest if answer.finish_reason == "length" else "")
