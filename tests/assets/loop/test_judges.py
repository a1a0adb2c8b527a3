"""Rewards by a judge depend on its verdicts, which are in another table."""

from types import SimpleNamespace

import polars as pl

from assets.loop import judges
from training.settings.scoring import RankingSettings
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.commits import CommitSettings


def test_verdicts_are_committed_before_the_rewards_from_them(tmp_path, monkeypatch):
    lake, seen = Lake(tmp_path), []

    def judge_responses(rows, *settings, commit_judgments, commit, **options):
        for number in range(2):
            row = {"comparison_id": str(number), "verdict": "A"}
            commit_judgments(pl.DataFrame([row], schema=schema_of("judgments")))
            commit(rows)

    monkeypatch.setattr("training.judging.judge_ranker.judge_responses", judge_responses)
    monkeypatch.setattr("training.judging.judge.describe_judge", lambda *_, **options: None)
    monkeypatch.setattr(judges.judgments, "record_judge", lambda *_: None)
    monkeypatch.setattr(judges.judgments, "read_answered", lambda *_: None)
    monkeypatch.setattr(judges, "judge_id", lambda study: "j")
    step = SimpleNamespace(
        study=SimpleNamespace(judge=None),
        lake=lake,
        dtype="float32",
        asset="iteration_1/scores",
        commits=CommitSettings(seconds=3600),
    )
    judges.rank_by_judge(
        step, pl.DataFrame(), RankingSettings(), lambda rows: seen.append(lake.height("judgments"))
    )
    assert seen == [1, 2]
