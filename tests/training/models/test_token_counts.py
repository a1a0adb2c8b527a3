import polars as pl
import pytest

from training.models.rendering import RENDERED_AT_ONCE, load_tokenizer
from training.models.token_counts import count_prompt_tokens, count_tokens, find_prompt_limit
from training.models.token_ids import tokenize_responses
from training.reward_model import tokenize_pairs
from training.settings.loop import LoopSettings, PromptRoom
from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema


@pytest.fixture(scope="module")
def pairs(preference_pairs):
    return preference_pairs.with_columns(source=pl.lit("a"))


def counted(frames, model):
    return pl.concat(count_tokens(frames, model, tokenizer_id="t", total=8))


def test_a_count_is_the_length_that_training_sees(pairs, tiny_policy):
    rows = counted([pairs], tiny_policy)
    assert enforce_schema("preference_tokens", rows).height == pairs.height
    assert rows.select("pair_id", "source").equals(pairs.select("pair_id", "source"))
    assert set(rows["tokenizer_id"]) == {"t"}

    tokenizer = load_tokenizer(tiny_policy)
    dpo = tokenize_responses(tokenizer, pairs)
    whole = tokenize_pairs(tokenizer, pairs)
    assert rows["prompt_tokens"].to_list() == dpo["prompt_ids"].list.len().to_list()
    for side in ("chosen", "rejected"):
        assert rows[f"{side}_tokens"].to_list() == dpo[f"{side}_ids"].list.len().to_list()
        sums = rows["prompt_tokens"] + rows[f"{side}_tokens"]
        assert sums.to_list() == whole[f"{side}_ids"].list.len().to_list()


def test_special_tokens_are_counted(pairs, tiny_policy):
    # name a red cat: BOS, user role, 4 words, assistant role; "the cat .": 3 words, EOS
    first = counted([pairs.head(1)], tiny_policy).row(0, named=True)
    assert (first["prompt_tokens"], first["chosen_tokens"]) == (7, 4)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_frames_of_any_size_give_the_same_rows(pairs, tiny_policy, rows):
    assert counted(pairs.iter_slices(rows), tiny_policy).equals(counted([pairs], tiny_policy))


def test_frames_are_read_one_at_a_time(pairs, tiny_policy):
    read = []

    def frames():
        for frame in pairs.iter_slices(2):
            read.append(frame.height)
            yield frame

    counts = count_tokens(frames(), tiny_policy, tokenizer_id="t", total=8)
    assert next(counts).height == 2
    assert read == [2]


def test_a_long_frame_is_counted_in_parts(pairs, tiny_policy):
    long = pl.concat([pairs] * (RENDERED_AT_ONCE // pairs.height + 1))
    parts = list(count_tokens([long], tiny_policy, tokenizer_id="t", total=long.height))
    assert [part.height for part in parts] == [RENDERED_AT_ONCE, pairs.height]


def test_an_empty_frame_gives_no_rows(pairs, tiny_policy):
    assert list(count_tokens([pairs.clear()], tiny_policy, tokenizer_id="t", total=0)) == []


def test_a_folder_without_a_tokenizer_is_refused(pairs, tmp_path):
    with pytest.raises(InputError, match="incomplete"):
        counted([pairs], tmp_path)


def test_the_tokens_of_a_prompt_are_those_that_are_sampled_from(pairs, tiny_policy):
    prompts = pairs.unique("prompt_id")
    wanted = prompts.select("prompt_id").reverse()
    tokens = count_prompt_tokens(wanted, lambda: prompts.iter_slices(1), tiny_policy)
    assert tokens.to_list() == [7] * wanted.height


def test_the_longest_prompt_leaves_room_in_every_experiment(tiny_policy):
    """The model has 64 positions; an assistant's turn ends with one token."""
    sampling = {"max_tokens": 16, "max_context_tokens": 48}
    loops = [LoopSettings(sampling=sampling), LoopSettings(sampling=sampling | {"max_tokens": 20})]
    assert find_prompt_limit(tiny_policy, PromptRoom.find(loops)) == 28
    # a cut response gets an end of turn when it is scored
    whole = LoopSettings(sampling={"max_tokens": 16, "max_context_tokens": 64})
    assert find_prompt_limit(tiny_policy, PromptRoom.find([whole])) == 64 - 16 - 1
    # a preference model reads two responses and its marks
    compared = LoopSettings(ranker="preference_model", sampling=sampling)
    assert find_prompt_limit(tiny_policy, PromptRoom.find([compared])) < 64 - 2 * 16
    wide = LoopSettings(ranker="preference_model", sampling=sampling | {"max_tokens": 32})
    with pytest.raises(InputError, match="no prompt leaves room"):
        find_prompt_limit(tiny_policy, PromptRoom.find([wide]))
