import pytest
import torch

from training.engine.streaming import StreamedPolicy, seed_sampling
from training.models.initial_model import make_tiny_model
from training.models.rendering import tokenize_prompts
from training.settings.model import TinyModelSettings
from transforms.errors import InputError

TALK = [[{"role": "user", "content": "name a tool"}, {"role": "assistant", "content": "saw drill"}]]
PROMPT = [{"role": "user", "content": "name a tool"}]
GREEDY = {"temperature": 0, "top_p": 1.0, "max_tokens": 6}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> StreamedPolicy:
    folder = tmp_path_factory.mktemp("models") / "policy"
    tiny = TinyModelSettings(
        layers=1, hidden_size=32, heads=1, intermediate_size=32, context_tokens=32
    )
    make_tiny_model(tiny, TALK, folder, seed=0)
    return StreamedPolicy(folder)


def reply(policy: StreamedPolicy, **settings):
    parts: list[str] = []
    return policy.reply(PROMPT, parts.append, **{**GREEDY, **settings}), parts


def test_a_greedy_reply_is_the_likeliest_tokens_and_streamed_whole(policy):
    (ids,) = tokenize_prompts(policy.tokenizer, [PROMPT])
    start = len(ids)
    for _ in range(6):
        logits = policy.model(torch.tensor([ids])).logits[0, -1]
        logits[policy.unknown] = -torch.inf
        ids.append(logits.argmax().item())
        if ids[-1] in policy.stops:
            break
    found, parts = reply(policy)
    assert found.text == policy.tokenizer.decode(ids[start:], skip_special_tokens=True)
    assert "".join(parts) == found.text
    assert found.finish_reason == ("stop" if ids[-1] in policy.stops else "length")


def test_a_reply_ends_at_the_end_of_its_turn(policy, monkeypatch):
    likeliest = torch.zeros(policy.model.config.vocab_size)
    likeliest[policy.stops[0]] = 1e4
    forward = policy.model.forward

    def end_turn(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits = output.logits + likeliest
        return output

    monkeypatch.setattr(policy.model, "forward", end_turn)
    found, _ = reply(policy)
    assert (found.text, found.finish_reason) == ("", "stop")


def test_ctrl_c_ends_a_reply_and_keeps_what_was_written(policy, monkeypatch):
    whole, _ = reply(policy)

    def interrupted(token_ids, *, streamer, **_):
        streamer.put(token_ids)
        for token in policy.tokenizer("saw drill saw", add_special_tokens=False)["input_ids"]:
            streamer.put(torch.tensor([token]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(policy.model, "generate", interrupted)
        found, parts = reply(policy)
    assert found.finish_reason == "interrupted"
    assert found.text == "".join(parts)
    assert found.text.startswith("saw")
    assert reply(policy)[0] == whole


def test_equal_seeds_give_equal_replies(policy):
    seed_sampling(3)
    first, _ = reply(policy, temperature=1.0, top_p=0.9)
    seed_sampling(3)
    assert reply(policy, temperature=1.0, top_p=0.9)[0] == first


def test_a_conversation_that_fills_the_context_is_refused(policy):
    long = [{"role": "user", "content": "tool " * 40}]
    with pytest.raises(InputError, match="too long"):
        policy.reply(long, print, **GREEDY)
