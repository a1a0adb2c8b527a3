import polars as pl
import pytest

from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import (
    Keys,
    add_origin,
    find_due_prompts,
    find_missing_prompts,
    find_unscored,
    make_sampling_id,
    read_with_rewards,
)
from transforms.pairs.sampler_places import Draw, number_samplers

SLICE = {"experiment": "e", "iteration": 1}
SETTINGS = {
    "n": 2, "temperature": 1.0, "top_p": 1.0, "max_tokens": 8, "max_context_tokens": 64,
    "chunk_prompts": 4,
}  # fmt: skip
ONE = [Draw(0, "current", 0, 2, 1.0, 1.0)]


def responses(policy_id="pi", sampling_id="s", prompts=("p", "q")):
    rows = pl.DataFrame(
        [
            {"prompt_id": prompt, "response_index": n, "response": f"{prompt}{n}"}
            for prompt in prompts
            for n in range(2)
        ],
        schema_overrides={"response_index": pl.Int32},
    )
    stamped = ("policy_id", "sampling_id", "sampler", "sampler_policy", "n", *SLICE)
    drawn = {name: kind for name, kind in schema_of("generations").items() if name not in stamped}
    empty = pl.DataFrame(schema=drawn)
    keys = Keys(**SLICE, policy_id=policy_id, sampling_id=sampling_id, draws=ONE, n=2)
    return keys.add_to(pl.concat([empty, rows], how="diagonal"))


def score(lake, rows, ranker_id="rm", ranking_id="r"):
    rewards = rows.select("prompt_id", "response_index", reward=pl.lit(1.0))
    columns = {"ranker": "reward_model", "ranker_id": ranker_id, "ranking_id": ranking_id}
    scores = add_keys(add_origin(rewards, rows), **columns, **SLICE)
    lake.append("scores", scores.select(list(schema_of("scores"))))


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    message = [{"role": "user", "content": "?"}]
    prompts = [{"prompt_id": p, "source": "s", "prompt": message, "prompt_chars": 1} for p in "pq"]
    lake.append("prompts", pl.DataFrame(prompts, schema=schema_of("prompts")))
    splits = [{"prompt_id": p, "split": "iteration_1"} for p in "pq"]
    lake.append("prompt_splits", pl.DataFrame(splits, schema=schema_of("prompt_splits")))
    lake.append("generations", responses())
    return lake


def keys(rows):
    return rows.select("prompt_id", "response_index").rows()


def test_all_are_missing_at_first_and_none_in_the_end(lake):
    missing = find_unscored(lake, "rm", "r", **SLICE)
    assert keys(missing) == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    score(lake, missing)
    assert find_unscored(lake, "rm", "r", **SLICE).is_empty()


def test_responses_are_read_by_key_in_whatever_order_their_scores_were_committed(lake):
    score(lake, responses().reverse())
    assert keys(read_with_rewards(lake, **SLICE)) == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]


def test_what_a_killed_run_committed_is_not_scored_again(lake):
    score(lake, find_unscored(lake, "rm", "r", **SLICE).head(3))
    assert keys(find_unscored(lake, "rm", "r", **SLICE)) == [("q", 1)]
    assert lake.height("scores") == 3


@pytest.mark.parametrize("ranker", [("other", "r"), ("rm", "other")])
def test_another_ranker_or_setting_scores_everything_again(lake, ranker):
    score(lake, find_unscored(lake, "rm", "r", **SLICE))
    before = lake.version("scores")
    assert find_unscored(lake, *ranker, **SLICE).height == 4
    assert lake.height("scores") == 0
    assert lake.read("scores", before).height == 4


@pytest.mark.parametrize("changed", [{"policy_id": "pi_2"}, {"sampling_id": "s_2"}])
def test_scores_of_another_policys_responses_go(lake, changed):
    score(lake, find_unscored(lake, "rm", "r", **SLICE))
    kept = pl.concat([responses(prompts=("p",)), responses(prompts=("q",), **changed)])
    lake.overwrite("generations", kept, **SLICE)
    assert keys(find_unscored(lake, "rm", "r", **SLICE)) == [("q", 0), ("q", 1)]
    assert sorted(keys(lake.read("scores"))) == [("p", 0), ("p", 1)]


def test_the_id_of_a_sampling_without_samplers_is_that_of_older_lakes():
    assert make_sampling_id(SETTINGS, 5) == "4ca8956dbe3334924e94f14578a1ace0"
    assert make_sampling_id(SETTINGS | {"chunk_prompts": 1}, 5) == make_sampling_id(SETTINGS, 5)
    assert make_sampling_id(SETTINGS, 6) != make_sampling_id(SETTINGS, 5)


def test_samplers_and_their_places_are_part_of_the_id():
    draws = number_samplers(
        [{"policy": p, "n": 1, "temperature": 1.0, "top_p": 1.0} for p in ("current", "previous")]
    )
    ids = {make_sampling_id(SETTINGS, 5, drawn) for drawn in (draws, draws[:1], draws[1:], ())}
    assert len(ids) == 4
    moved = [draws[0]._replace(first_index=1)]
    assert make_sampling_id(SETTINGS, 5, moved) not in ids
    # with samplers, n of the settings is not used
    assert make_sampling_id(SETTINGS | {"n": 9}, 5, draws) == make_sampling_id(SETTINGS, 5, draws)


def test_each_policy_of_a_mix_goes_on_with_its_own_prompts(lake):
    draws = number_samplers(
        [{"policy": p, "n": 2, "temperature": 1.0, "top_p": 1.0} for p in ("current", "previous")]
    )
    mix = [
        Keys(**SLICE, policy_id=policy, sampling_id="m", draws=[draw], n=4)
        for policy, draw in zip(("pi", "pi_0"), draws, strict=True)
    ]
    drawn = responses(prompts=("p",)).drop(*SLICE, "policy_id", "sampling_id", "n")
    drawn = drawn.drop("sampler", "sampler_policy")
    lake.append("generations", mix[1].add_to(drawn))
    left = find_missing_prompts(lake, mix, ["iteration_1"])
    # the responses of one sampler are removed: they have other settings
    assert [rows["prompt_id"].to_list() for rows in left] == [["p", "q"], ["q"]]
    rows = lake.read("generations", **SLICE).sort("response_index")
    assert rows.select("response_index", "sampler", "sampler_policy", "n").rows() == [
        (2, 1, "previous", 4),
        (3, 1, "previous", 4),
    ]
    assert find_missing_prompts(lake, mix, ["iteration_9"])[0].is_empty()


def test_a_round_of_adaptive_n_goes_to_what_the_rounds_before_left_open(lake):
    lake.overwrite("generations", responses(), **SLICE)  # p and q have the first round of two
    lake.append("prompt_splits", pl.DataFrame([{"prompt_id": "r", "split": "iteration_1"}]))
    message = [{"role": "user", "content": "?"}]
    rows = [{"prompt_id": "r", "source": "s", "prompt": message, "prompt_chars": 1}]
    lake.append("prompts", pl.DataFrame(rows, schema=schema_of("prompts")))
    first, second, third = (
        Keys(**SLICE, policy_id="pi", sampling_id="s", draws=[ONE[0]._replace(first_index=i)], n=6)
        for i in (0, 2, 4)
    )
    asked = {"prompt_id": ["p", "q"], "responses": [6, 2]}
    stopped = pl.DataFrame(asked, schema_overrides={"responses": pl.Int32})

    def due(keys):
        return find_due_prompts(lake, keys, ["iteration_1"], stopped)["prompt_id"].to_list()

    assert due(first) == ["r"]
    assert due(second) == ["p"]
    drawn = ("policy_id", "sampling_id", "sampler", "sampler_policy", "n", *SLICE)
    lake.append("generations", second.add_to(responses(prompts=("p",)).drop(drawn)))
    assert due(second) == []  # after a killed run, the third round continues
    assert due(third) == ["p"]
