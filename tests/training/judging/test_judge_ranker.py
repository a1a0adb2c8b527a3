"""Responses ranked by a judge behind an address."""

import polars as pl
import pytest

from tests.training.judging.judge_server import settings_of
from training.judging.judge import describe_judge
from training.judging.judge_ranker import judge_responses
from training.settings.scoring import RankingSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import MESSAGES
from transforms.pairs.judgments import read_answered, read_verdicts


def responses(**texts: list[str]) -> pl.DataFrame:
    rows = [
        (prompt, index, [{"role": "user", "content": f"Say {prompt}."}], text)
        for prompt, said in texts.items()
        for index, text in enumerate(said)
    ]
    schema = {"prompt_id": pl.String, "response_index": pl.Int32, "prompt": MESSAGES}
    return pl.DataFrame(rows, schema=schema | {"response": pl.String}, orient="row")


def rank(rows, settings, lake, **ranking):
    rewards: list[pl.DataFrame] = []
    judge_id = describe_judge(settings, dtype="float32").item(0, "judge_id")
    run = judge_responses(
        rows,
        settings,
        RankingSettings(**{"chunk_prompts": 2} | ranking),
        dtype="float32",
        judged=read_answered(lake, judge_id),
        commit_judgments=lambda judgments: lake.append("judgments", judgments),
        commit=rewards.append,
    )
    return rewards, run


def test_responses_are_ranked_in_chunks_and_a_restart_asks_nothing(server, tmp_path):
    rows = responses(
        p=["aaa", "a", "aa", "a"],
        q=["bbbb", "nonsense"],
        r=["long answer", "nonsense", "short"],
        s=["alone"],
    )
    lake = Lake(tmp_path)
    chunks, run = rank(rows, settings_of(server), lake)
    assert [chunk["prompt_id"].unique(maintain_order=True).to_list() for chunk in chunks] == [
        ["p", "q"],
        ["r", "s"],
    ]
    rewards = pl.concat(chunks)
    assert rewards.schema == {
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "reward": pl.Float64,
    }
    assert rewards.select("prompt_id", "response_index").equals(
        rows.select("prompt_id", "response_index")
    )
    shares = [1.0, 0.5 / 3, 2 / 3, 0.5 / 3, None, None, 1.0, None, 0.0, None]
    assert rewards["reward"].to_list() == pytest.approx(shares, nan_ok=True)
    # p: 3 comparisons of distinct texts; q: 1; r: 3, of which 2 meet nonsense
    assert (run.responses, run.judged.comparisons, run.judged.unparseable) == (10, 7, 6)
    assert (run.undecided, run.unranked) == (3, 4)
    asked = len(server.requests)
    assert (asked, lake.height("judgments")) == (14, 14)
    again, rerun = rank(rows, settings_of(server), lake)
    assert pl.concat(again).equals(rewards)
    assert (rerun.judged.comparisons, rerun.undecided) == (0, 3)
    assert (len(server.requests), lake.height("judgments")) == (asked, 14)
    # of new prompts only the new comparisons are asked for
    rank(responses(p=["aaa", "a"], t=["x", "yy"]), settings_of(server), lake)
    assert len(server.requests) == asked + 2


def test_silence_is_asked_for_again_by_the_next_run(server, tmp_path):
    lake, rows = Lake(tmp_path), responses(p=["hangs once", "x"])
    settings = settings_of(server, timeout_s=2.0, retries=0)
    (chunk,), run = rank(rows, settings, lake)
    assert chunk["reward"].to_list() == [None, None]
    assert (run.judged.unanswered, run.unranked) == (2, 2)
    (chunk,), run = rank(rows, settings, lake)
    assert chunk["reward"].to_list() == [1.0, 0.0]
    assert run.unranked == 0
    assert read_verdicts(lake)["verdict"].to_list() == ["A", "B"]


def test_a_tournament_is_refused(server, tmp_path):
    with pytest.raises(InputError, match=r"expected: ranking\.method round_robin"):
        rank(responses(p=["a", "b"]), settings_of(server), Lake(tmp_path), method="tournament")
