import polars as pl
import pytest
import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from pydantic import ValidationError
from transformers import AutoModelForSequenceClassification

from training.models.checkpoint import hash_checkpoint, require_model
from training.models.initial_model import make_tiny_model
from training.rewards import scorers
from training.rloo import make_reward, train_rloo
from training.scoring import score
from training.settings.loop import LoopSettings
from training.settings.objectives import RLOORun
from training.settings.rewards.reward import RewardSettings
from training.settings.rewards.weighted_reward import WeightedReward
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from transforms.errors import InputError
from transforms.settings.pairs import PairSettings

SETTINGS = RLOORun(
    learning_rate=1e-2,
    schedule="constant",
    warmup_ratio=0.0,
    max_steps=2,
    batch_size=16,
    micro_batch_size=8,
    max_tokens=64,
    logging_steps=1,
    checkpoint_steps=None,
    sampling=SamplingSettings(n=4, max_tokens=8),
)


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory, tiny_settings, demonstrations):
    folder = tmp_path_factory.mktemp("models") / "reward_model"
    make_tiny_model(tiny_settings, demonstrations["messages"].to_list(), folder, seed=2)
    torch.manual_seed(2)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prompts(preference_pairs) -> pl.DataFrame:
    return preference_pairs.select("prompt_id", "prompt")


@pytest.fixture
def run(tiny_policy, other_policy, reward_model, prompts):
    """Train from the tiny policy; against it, unless another reference is named."""

    def run(output, rows=prompts, reference=tiny_policy, **changed):
        rewards = {"reward_model": weighted(path=str(reward_model))}
        settings = SETTINGS.model_copy(update={"rewards": rewards} | changed)
        return train_rloo(
            rows, tiny_policy, output, settings, reference=reference, seed=0, dtype="float32"
        )

    return run


def weighted(weight=1.0, **reward):
    return WeightedReward(weight=weight, reward=RewardSettings(**reward))


def values(result, metric):
    return result.metrics.filter(pl.col("metric") == metric).sort("step")["value"].to_list()


def test_first_loss_is_zero_and_the_weights_move(run, tiny_policy, tmp_path):
    """What each response has more than the others' mean sums to zero over a prompt's."""
    result = run(tmp_path / "rloo")
    require_model(tmp_path / "rloo")
    assert values(result, "loss")[0] == pytest.approx(0.0, abs=1e-5)
    assert values(result, "kl")[0] == pytest.approx(0.0, abs=1e-6)
    assert values(result, "grad_norm")[0] > 0
    assert values(result, "reward_std")[0] > 0
    assert hash_checkpoint(tmp_path / "rloo") != hash_checkpoint(tiny_policy)
    assert result.examples == 8


def test_the_reward_model_is_loaded_when_the_process_has_its_gpu(run, tmp_path, monkeypatch):
    """PartialState chooses it; before, each process would load its reward model to the first."""
    chosen = []

    def load(*_, **__):
        chosen.append(PartialState._shared_state.get("device"))
        raise KeyboardInterrupt

    monkeypatch.setattr(scorers, "ForwardEngine", load)
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "rloo")
    assert chosen == [torch.device("cpu")]


def test_the_kl_is_to_the_reference_that_is_named(run, other_policy, tmp_path):
    result = run(tmp_path / "rloo", reference=other_policy, max_steps=1)
    assert values(result, "kl")[0] > 0.1


@pytest.mark.slow
def test_the_reward_rises_and_a_penalty_holds_it(run, tmp_path):
    changed = {"learning_rate": 3e-3, "max_steps": 24, "micro_batch_size": 16}
    free = run(tmp_path / "free", beta=0.0, **changed)
    held = run(tmp_path / "held", beta=2.0, **changed)
    rewards = {name: values(result, "reward") for name, result in (("free", free), ("held", held))}
    gain = {name: sum(found[-4:]) / 4 - found[0] for name, found in rewards.items()}
    assert gain["free"] > 0.1
    assert gain["held"] < gain["free"] / 2


def test_same_seed_same_checkpoint(run, tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name, max_steps=1)
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")


def test_the_reward_is_that_of_scoring_less_the_penalty(reward_model, prompts):
    texts = [f"the cat is {word}" for word in ("red", "blue", "", "green .")]
    rows = prompts.head(4).with_columns(response=pl.Series(texts), response_index=pl.int_range(4))
    scored = []
    score(rows, reward_model, ScoringSettings(), dtype="float32", commit=scored.append)
    expected = scored[0]["reward"].to_list()
    asked = {
        "prompts": rows["prompt"].to_list(),
        "completions": [[{"role": "assistant", "content": text}] for text in texts],
        "completion_ids": [[1] * (place + 1) for place in range(4)],
        "prompt_id": rows["prompt_id"].to_list(),
        "reference": [None] * 4,
    }

    def find(**changed):
        rewards = {"reward_model": weighted(path=str(reward_model))}
        settings = SETTINGS.model_copy(update={"rewards": rewards} | changed)
        return make_reward(settings, "float32")(**asked)

    assert find() == expected
    assert find(pairs=PairSettings(length_penalty=0.5)) == pytest.approx(
        [reward - 0.5 * len(text) for reward, text in zip(expected, texts, strict=True)]
    )
    by_tokens = PairSettings(length_penalty=0.5, length_unit="tokens")
    found = find(pairs=by_tokens)
    assert found == pytest.approx([r - 0.5 * (n + 1) for n, r in enumerate(expected)])
    two = {"x": weighted(2.0, path=str(reward_model)), "y": weighted(-0.5, path=str(reward_model))}
    assert find(rewards=two) == pytest.approx([1.5 * reward for reward in expected])


@pytest.fixture
def brought(tmp_path):
    """A function that needs a reference and a verifier, whose sum is 10 words + 3 match."""
    file = tmp_path / "rewards.py"
    file.write_text(
        "def words(responses, reference):\n"
        "    assert len(responses) == len(reference)\n"
        "    return [len(text.split()) for text in responses]\n"
    )
    return {
        "words": weighted(10.0, function=f"{file}:words"),
        "match": weighted(3.0, verifier="exact_match"),
    }


def test_a_function_and_a_verifier_are_added_with_their_weights(brought):
    reward = make_reward(SETTINGS.model_copy(update={"rewards": brought}), "float32")
    asked = {
        "prompts": [[{"role": "user", "content": "name a cat"}]] * 3,
        "completions": [[{"role": "assistant", "content": text}] for text in ("a cat", "cat", "")],
        "completion_ids": [[1]] * 3,
        "prompt_id": ["p", "p", "q"],
        "length": [4] * 3,
    }
    assert reward(**asked, reference=["cat", "cat", "cat"]) == [20.0, 13.0, 0.0]
    with pytest.raises(InputError, match="reference of prompt q, response 2"):
        reward(**asked, reference=["cat", "cat", None])


def test_it_trains_on_a_function_and_a_verifier(run, brought, prompts, tmp_path):
    rows = prompts.with_columns(reference=pl.lit("red"))
    result = run(tmp_path / "rloo", rows=rows, rewards=brought, max_steps=1)
    assert values(result, "reward")[0] > 0
    assert values(result, "loss")[0] == pytest.approx(0.0, abs=1e-5)


def test_no_reward_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="rloo has no reward to maximise"):
        run(tmp_path / "rloo", rewards={})


def test_a_prompt_without_room_is_dropped_by_name(run, prompts, tmp_path):
    long = prompts.tail(1).with_columns(
        prompt=pl.Series(
            [[{"role": "user", "content": "cat " * 70}]], dtype=prompts["prompt"].dtype
        )
    )
    result = run(tmp_path / "rloo", rows=pl.concat([prompts.head(4), long]), max_steps=1)
    assert result.dropped["row_key"].to_list() == ["prompt-7"]
    assert result.examples == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_vllm_without_a_gpu_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="cannot sample with vLLM"):
        run(tmp_path / "rloo", generator="vllm")


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        ({"ranker": "judge"}, "a reward for each response alone, and the ranker judge compares"),
        ({"ranker": "preference_model"}, "use a reward model or one of `rewards`"),
        ({"feedback": {}}, "rloo stores no responses"),
        ({"rloo": {"batch_size": 12, "micro_batch_size": 12}}, "multiple of sampling.n 8"),
        ({"sampling": {"samplers": [{"n": 4}, {"n": 4, "temperature": 0.7}]}}, "no samplers"),
        ({"pairs": {"length_penalty": "calibrated"}}, "no scored responses"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_runs(loop, words) -> None:
    with pytest.raises(ValidationError, match=words):
        LoopSettings.model_validate({"objective": "rloo", **loop})


def test_it_takes_its_sampling_from_the_loop() -> None:
    loop = LoopSettings.model_validate(
        {"objective": "rloo", "sampling": {"n": 4, "chunk_prompts": 2}}
    )
    recorded = loop.resolve_training().dump_decisive()
    assert recorded["sampling"] == {"n": 4, "temperature": 1.0, "top_p": 1.0, "max_tokens": 2048}
    assert "scoring" not in recorded
    assert RLOORun.model_validate(recorded).dump_decisive() == recorded
