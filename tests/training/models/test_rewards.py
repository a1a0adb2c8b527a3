import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from training.models.rewards import compute_head_in_float32


@pytest.fixture
def model():
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=8, num_hidden_layers=1, num_labels=1, **size)
    model = LlamaForSequenceClassification(config)
    torch.nn.init.normal_(model.score.weight)
    return model


def test_rewards_in_training_are_not_rounded_to_bfloat16(model):
    states = torch.randn((64, 32))
    exact = model.score(states)
    compute_head_in_float32(model)
    with torch.autocast("cpu", torch.bfloat16):
        rewards = model.score(states)
    assert torch.equal(rewards, exact)
    # FSDP gathers the weights in bfloat16
    rewards = model.score.to(torch.bfloat16)(states)
    assert rewards.dtype == torch.float32
    assert not torch.equal(rewards, rewards.to(torch.bfloat16).float())
