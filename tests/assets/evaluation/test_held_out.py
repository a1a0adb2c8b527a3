"""The folder in which an evaluation keeps what it has computed."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from assets.evaluation.held_out import claim_work
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import Checkpoint


def test_only_the_same_evaluation_finds_the_chunks_of_an_interrupted_one(tmp_path: Path) -> None:
    step = SimpleNamespace(lake=Lake(tmp_path), asset="evaluation", experiment="paper")
    policy = Checkpoint("aa", tmp_path)
    with suppress(KeyboardInterrupt), claim_work(step, policy, "one", "iteration_1/policy") as work:
        (work / "chunk").touch()
        raise KeyboardInterrupt
    with claim_work(step, policy, "one", "iteration_2/policy") as other:
        assert other != work
    with claim_work(step, policy, "one", "iteration_1/policy") as again:
        assert [file.name for file in again.iterdir()] == ["chunk"]
    assert not work.exists()
    work.mkdir()
    (work / "chunk").touch()
    with claim_work(step, policy, "two", "iteration_1/policy") as again:
        assert list(again.iterdir()) == []
