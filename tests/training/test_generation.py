"""Real vLLM on a tiny Llama model; one engine serves most tests, its start is most of the time."""

from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM

from training.commands.generation import main
from training.engine.sampler import Sampler
from training.engine.vllm_engine import render_prompts
from training.generation import generate
from training.models.end_of_turn import find_end_of_turn
from training.models.initial_model import make_tiny_model
from training.models.loading.config import has_added_rows
from training.models.rendering import load_tokenizer, tokenize_prompts
from training.settings.model import DeviceSettings, TinyModelSettings
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
WORDS = TALK.split()
SETTINGS = SamplingSettings(
    n=3, max_tokens=8, max_context_tokens=64, max_sequences=16, chunk_prompts=4
)
TWO = DeviceSettings(replicas=2)
TINY = TinyModelSettings(
    vocab_size=64, hidden_size=64, intermediate_size=128, layers=2, heads=2, context_tokens=64
)


def words(seed: int, count: int) -> str:
    return " ".join(WORDS[(seed * 7 + i * (seed + 3)) % len(WORDS)] for i in range(count))


@pytest.fixture(scope="module")
def prompts() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt_id": [f"p{i:02}" for i in range(10)],
            "prompt": [[{"role": "user", "content": words(i, 2 + i)}] for i in range(10)],
        }
    )


@pytest.fixture(scope="module")
def policy(prompts: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generation") / "policy"
    talk = [[{"role": "user", "content": TALK}]]
    make_tiny_model(TINY, talk, folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def sampler(policy: Path):
    with Sampler(policy, SETTINGS, seed=3, dtype="float32") as opened:
        yield opened


def test_every_prompt_gets_n_responses_in_complete_chunks(sampler, prompts):
    chunks: list[pl.DataFrame] = []
    run = sampler.sample(prompts, SETTINGS, commit=chunks.append)
    assert [chunk["prompt_id"].n_unique() for chunk in chunks] == [4, 4, 2]
    rows = pl.concat(chunks)
    indices = rows.group_by("prompt_id").agg("response_index")
    assert sorted(indices["prompt_id"]) == prompts["prompt_id"].to_list()
    assert all(index == [0, 1, 2] for index in indices["response_index"].to_list())
    assert (run.prompts, run.responses) == (10, 30)
    assert run.response_tokens == rows["response_tokens"].sum()
    assert rows["response_chars"].to_list() == rows["response"].str.len_chars().to_list()
    assert rows.select("temperature", "top_p", "max_tokens", "seed").unique().rows() == [
        (1.0, 1.0, 8, 3)
    ]


def test_greedy_tokens_are_those_of_transformers(sampler, policy, prompts):
    greedy = SETTINGS.model_copy(update={"n": 1, "temperature": 0.0, "max_tokens": 12})
    chunks: list[pl.DataFrame] = []
    sampler.sample(prompts, greedy, commit=chunks.append)
    tokenizer, model = load_tokenizer(policy), AutoModelForCausalLM.from_pretrained(policy)
    rows = prompts.join(pl.concat(chunks), on="prompt_id", maintain_order="left")
    for row in rows.iter_rows(named=True):
        (ids,) = tokenize_prompts(tokenizer, [row["prompt"]])
        best = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12)[
            0, len(ids) :
        ]
        assert row["response"] == tokenizer.decode(best, skip_special_tokens=True)
        assert row["response_tokens"] == len(best)
        stopped = best[-1] == find_end_of_turn(tokenizer, policy)
        assert row["finish_reason"] == ("stop" if stopped else "length")


def test_samplers_of_one_policy_share_an_engine_and_a_prompts_indices(sampler, prompts):
    mix = [{"n": 2}, {"n": 1, "temperature": 0.0}, {"n": 2, "temperature": 0.7, "top_p": 0.9}]
    settings = SamplingSettings.model_validate(SETTINGS.model_dump() | {"samplers": mix})
    chunks: list[pl.DataFrame] = []
    run = sampler.sample(prompts, settings, commit=chunks.append)
    assert [chunk["prompt_id"].n_unique() for chunk in chunks] == [4, 4, 2]
    rows = pl.concat(chunks).sort("prompt_id", "response_index")
    assert (run.responses, rows.height) == (50, 50)
    by_index = rows.group_by("response_index", maintain_order=True).agg(
        pl.len(), pl.col("temperature", "top_p").unique()
    )
    assert by_index.rows() == [
        (0, 10, [1.0], [1.0]),
        (1, 10, [1.0], [1.0]),
        (2, 10, [0.0], [1.0]),
        (3, 10, [0.7], [0.9]),
        (4, 10, [0.7], [0.9]),
    ]
    greedy = settings.model_copy(update={"samplers": (), "n": 1, "temperature": 0.0})
    sampler.sample(prompts, greedy, commit=lambda alone: chunks.append(alone))
    alone = pl.concat(chunks[3:]).sort("prompt_id")
    assert rows.filter(response_index=2)["response"].equals(alone["response"])


def test_top_p_is_that_of_each_sampler(sampler, prompts):
    """A nucleus of one token is greedy, also beside requests with another top_p."""
    mix = [{"n": 2, "top_p": 1e-6}, {"n": 1}, {"n": 1, "temperature": 0.0}]
    settings = SamplingSettings.model_validate(SETTINGS.model_dump() | {"samplers": mix})
    chunks: list[pl.DataFrame] = []
    sampler.sample(prompts, settings, commit=chunks.append)
    rows = pl.concat(chunks).sort("prompt_id", "response_index")
    narrow, again, whole, greedy = (rows.filter(response_index=i)["response"] for i in range(4))
    assert narrow.equals(greedy)
    assert again.equals(greedy)
    assert not whole.equals(greedy)


def test_a_cut_response_says_so(sampler, prompts):
    chunks: list[pl.DataFrame] = []
    short = SETTINGS.model_copy(update={"max_tokens": 1})
    sampler.sample(prompts, short, commit=chunks.append)
    rows = pl.concat(chunks)
    assert set(rows["finish_reason"]) <= {"length", "stop"}
    assert rows.filter(finish_reason="length").height > 0
    assert rows["response_tokens"].to_list() == [1] * 30


def test_a_commit_error_is_raised_and_the_engine_goes_on(sampler, prompts):
    def refuse(chunk: pl.DataFrame) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        sampler.sample(prompts, SETTINGS, commit=refuse)
    chunks: list[pl.DataFrame] = []
    assert sampler.sample(prompts.head(2), SETTINGS, commit=chunks.append).responses == 6
    assert pl.concat(chunks).height == 6


def test_a_prompt_without_room_is_named_before_anything_is_sampled(sampler, prompts):
    long = pl.DataFrame(
        {"prompt_id": ["long"], "prompt": [[{"role": "user", "content": words(1, 60)}]]}
    )
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match=r"prompt long .*\n.*at most 56 tokens.*\n.*63 tokens"):
        sampler.sample(pl.concat([prompts, long]), SETTINGS, commit=chunks.append)
    assert chunks == []


@pytest.mark.parametrize("replicas", [1, 2])
def test_more_context_than_the_policy_has_is_refused(policy, prompts, replicas):
    long = SETTINGS.model_copy(update={"max_context_tokens": 65})
    devices = DeviceSettings(replicas=replicas)
    with pytest.raises(InputError, match=r"max_context_tokens 65\n.*64 tokens"):
        generate(
            prompts, policy, long, seed=0, dtype="float32", commit=pytest.fail, devices=devices
        )


def test_a_prompt_has_exactly_one_bos(policy, prompts):
    tokenizer = load_tokenizer(policy)
    for ids in tokenize_prompts(tokenizer, prompts["prompt"].to_list()):
        assert [i for i, token in enumerate(ids) if token == tokenizer.bos_token_id] == [0]
        assert tokenizer.eos_token_id not in ids


def test_a_folder_without_chat_template_is_refused(policy, tmp_path):
    for file in policy.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="chat template"):
        Sampler(tmp_path, SETTINGS, seed=0, dtype="float32").__enter__()


@pytest.mark.slow
def test_a_seed_repeats_and_a_restart_samples_only_what_is_missing(policy, prompts, tmp_path):
    """Two new engines draw for the same eight prompts; the command line already has the others."""
    threads, set_num_threads = torch.get_num_threads(), torch.set_num_threads
    chunks: list[pl.DataFrame] = []
    generate(prompts[2:], policy, SETTINGS, seed=5, dtype="float32", commit=chunks.append)
    assert (torch.get_num_threads(), torch.set_num_threads) == (threads, set_num_threads)

    prompts.write_parquet(tmp_path / "prompts.parquet")
    (tmp_path / "settings.json").write_text(SETTINGS.model_dump_json())
    (tmp_path / "responses").mkdir()
    prompts[:2].select("prompt_id").write_parquet(tmp_path / "responses/chunk-000000.parquet")
    command = {
        "policy": policy,
        "prompts": tmp_path / "prompts.parquet",
        "output": tmp_path / "responses",
        "settings_file": tmp_path / "settings.json",
        "dtype": "float32",
    }
    main(**command, seed=5)
    (tmp_path / "responses/chunk-000000.parquet").unlink()
    rows = pl.read_parquet(tmp_path / "responses/*.parquet").sort("prompt_id", "response_index")
    assert rows.equals(pl.concat(chunks).sort("prompt_id", "response_index"))
    with pytest.raises(InputError, match="belongs to another run"):
        main(**command, seed=6)


@pytest.mark.slow
def test_a_bfloat16_copy_gives_the_same_samples(policy, prompts):
    chunks: dict[bool, list[pl.DataFrame]] = {False: [], True: []}
    for copied, found in chunks.items():
        generate(
            prompts, policy, SETTINGS, seed=0, dtype="bfloat16", commit=found.append,
            devices=DeviceSettings(bfloat16_copy=copied),
        )  # fmt: skip
    plain, copy = (pl.concat(found) for found in chunks.values())
    assert (policy / "bfloat16").is_dir()
    assert plain.equals(copy)


@pytest.mark.slow
def test_replicas_sample_every_prompt_once_and_a_dead_one_is_reported(policy, prompts, tmp_path):
    mix = {"samplers": [{"n": 2}, {"n": 1, "temperature": 0.5}]}
    settings = SamplingSettings.model_validate(SETTINGS.model_dump() | mix)
    chunks: list[pl.DataFrame] = []

    def sample(dtype):
        commit = chunks.append
        return generate(prompts, policy, settings, seed=5, dtype=dtype, commit=commit, devices=TWO)

    run = sample("float32")
    rows = pl.concat(chunks)
    assert rows.select("prompt_id", "response_index").unique().height == rows.height == 30
    assert (run.prompts, run.responses) == (10, 30)
    assert set(rows["seed"]) == {5, 6}
    assert set(rows.filter(response_index=2)["temperature"]) == {0.5}
    with pytest.raises(RuntimeError, match=r"(?s)replica \d ended with status 2:.*float3"):
        sample("float3")


@pytest.mark.slow
def test_after_a_worker_was_killed_a_restart_samples_the_rest(policy, prompts):
    settings = SETTINGS.model_copy(update={"chunk_prompts": 1})
    one_by_one = {"settings": settings, "seed": 5, "dtype": "float32", "devices": TWO}
    chunks: list[pl.DataFrame] = []

    def commit(chunk: pl.DataFrame) -> None:
        if not chunks:
            psutil.Process().children()[0].kill()
        chunks.append(chunk)

    with pytest.raises(RuntimeError, match=r"replica \d ended with status -9"):
        generate(prompts, policy, commit=commit, **one_by_one)
    rows = pl.concat(chunks)
    assert set(rows.group_by("prompt_id").len()["len"]) == {3}
    missing = prompts.join(rows, on="prompt_id", how="anti")
    assert 0 < missing.height < prompts.height
    generate(missing, policy, commit=chunks.append, **one_by_one)
    rows = pl.concat(chunks)
    assert rows.select("prompt_id", "response_index").unique().height == rows.height == 30


@pytest.mark.slow
def test_ids_without_a_token_are_never_sampled(
    policy: Path, prompts: pl.DataFrame, tmp_path: Path
) -> None:
    """Rows of embeddings beyond the tokenizer, here the likeliest ones by far."""
    model = AutoModelForCausalLM.from_pretrained(policy)
    tokenizer = load_tokenizer(policy)
    model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64)
    with torch.no_grad():
        model.lm_head.weight[len(tokenizer) :] = 9 * model.lm_head.weight[: 64 - len(tokenizer)]
    model.config.added_rows = 64 - len(tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert has_added_rows(tmp_path)
    found = set()
    with Sampler(tmp_path, SETTINGS, seed=3, dtype="float32") as sampler:
        rendered = render_prompts(tokenizer, prompts, SETTINGS, context_tokens=64)
        for greedy in (False, True):
            changes = {"temperature": 0.0, "n": 1} if greedy else {}
            settings = SETTINGS.model_copy(update=changes)
            for _, (output,) in sampler.sample_tokens(rendered, settings):
                found |= {token for one in output.outputs for token in one.token_ids}
    assert len(found) > 1
    assert max(found) < len(tokenizer)
