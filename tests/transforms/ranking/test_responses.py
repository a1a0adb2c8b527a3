import polars as pl
import pytest

from transforms.ranking.responses import Keys, stamp, unscored, with_origin
from transforms.tables.lake import Lake
from transforms.tables.schemas import SCHEMAS

SLICE = {"experiment": "e", "iteration": 1}


def responses(policy_id="pi", sampling_id="s", prompts=("p", "q")):
    rows = pl.DataFrame(
        [
            {"prompt_id": prompt, "response_index": n, "response": f"{prompt}{n}"}
            for prompt in prompts
            for n in range(2)
        ],
        schema_overrides={"response_index": pl.Int32},
    )
    empty = pl.DataFrame(schema=SCHEMAS["generations"])
    keys = Keys(**SLICE, policy_id=policy_id, sampling_id=sampling_id)
    return keys.stamp(pl.concat([empty, rows], how="diagonal"))


def score(lake, rows, ranker_id="rm", ranking_id="r"):
    rewards = rows.select("prompt_id", "response_index", reward=pl.lit(1.0))
    columns = {"ranker": "reward_model", "ranker_id": ranker_id, "ranking_id": ranking_id}
    scores = stamp(with_origin(rewards, rows), **columns, **SLICE)
    lake.append("scores", scores.select(list(SCHEMAS["scores"])))


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    message = [{"role": "user", "content": "?"}]
    prompts = [{"prompt_id": p, "source": "s", "prompt": message, "prompt_chars": 1} for p in "pq"]
    lake.append("prompts", pl.DataFrame(prompts, schema=SCHEMAS["prompts"]))
    lake.append("generations", responses())
    return lake


def keys(rows):
    return rows.select("prompt_id", "response_index").rows()


def test_all_are_missing_at_first_and_none_in_the_end(lake):
    missing = unscored(lake, "rm", "r", **SLICE)
    assert keys(missing) == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    score(lake, missing)
    assert unscored(lake, "rm", "r", **SLICE).is_empty()


def test_what_a_killed_run_committed_is_not_scored_again(lake):
    score(lake, unscored(lake, "rm", "r", **SLICE).head(3))
    assert keys(unscored(lake, "rm", "r", **SLICE)) == [("q", 1)]
    assert lake.height("scores") == 3


@pytest.mark.parametrize("ranker", [("other", "r"), ("rm", "other")])
def test_another_ranker_or_setting_scores_everything_again(lake, ranker):
    score(lake, unscored(lake, "rm", "r", **SLICE))
    before = lake.version("scores")
    assert unscored(lake, *ranker, **SLICE).height == 4
    assert lake.height("scores") == 0
    assert lake.read("scores", version=before).height == 4


@pytest.mark.parametrize("changed", [{"policy_id": "pi_2"}, {"sampling_id": "s_2"}])
def test_scores_of_another_policys_responses_go(lake, changed):
    score(lake, unscored(lake, "rm", "r", **SLICE))
    kept = pl.concat([responses(prompts=("p",)), responses(prompts=("q",), **changed)])
    lake.overwrite("generations", kept, **SLICE)
    assert keys(unscored(lake, "rm", "r", **SLICE)) == [("q", 0), ("q", 1)]
    assert sorted(keys(lake.read("scores"))) == [("p", 0), ("p", 1)]
