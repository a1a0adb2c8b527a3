import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.measures.adaptive_replay import replay
from transforms.settings.pairs import AdaptiveSettings, PairSettings

PAIRS = PairSettings()


def responses(prompts):
    """Build responses from {prompt_id: rewards}; response i of a prompt has i + 1 tokens."""
    rows = [
        (1, prompt_id, index, f"text {index}", index + 1, 6, "stop", reward, 0)
        for prompt_id, rewards in prompts.items()
        for index, reward in enumerate(rewards)
    ]
    names = ["iteration", "prompt_id", "response_index", "response", "response_tokens",
             "response_chars", "finish_reason", "reward", "sampler"]  # fmt: skip
    schema = {name: {**schema_of("generations"), **schema_of("scores")}[name] for name in names}
    prompt = pl.concat_list(pl.struct(role=pl.lit("user"), content="prompt_id")).cast(MESSAGES)
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(prompt=prompt)


def test_a_replay_counts_tokens_and_pairs():
    frame = responses({"p": [0, 3, 9, 0], "q": [0, 1, 2, 0]})
    row = replay(frame, AdaptiveSettings(round=2, enough_margin=2), PAIRS).row(0, named=True)
    assert (row["prompts"], row["n"], row["responses"], row["adaptive_responses"]) == (2, 4, 8, 6)
    assert (row["tokens"], row["adaptive_tokens"]) == (20, 13)
    assert row["tokens_saved"] == pytest.approx(7 / 20)
    assert (row["enough_margin"], row["no_growth"], row["n_reached"]) == (2, 0, 0)
    assert (row["margin"], row["adaptive_margin"]) == (5.5, 2.5)
    # of p, a better response and a later worst of its equals were never drawn
    assert (row["other_both"], row["unchanged"]) == (1, 1)


def test_responses_of_a_mix_or_of_no_whole_rounds_are_refused():
    frame = responses({"p": [0, 3, 9, 0]})
    rule = AdaptiveSettings(round=3, enough_margin=2)
    with pytest.raises(InputError, match="n = 4, round = 3"):
        replay(frame, rule, PAIRS)
    mixed = frame.with_columns(sampler=pl.col("response_index") // 2)
    with pytest.raises(InputError, match="2 samplers"):
        replay(mixed, AdaptiveSettings(round=2, enough_margin=2), PAIRS)
