"""The nucleus without a sort against vLLM's own top-p."""

import pytest
import torch

pytest.importorskip("vllm")
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch

from training.engine.nucleus import keep_nucleus


@pytest.mark.parametrize("likely", [4, 40, 1000])  # many, some and no rows are sorted
def test_kept_tokens_are_those_of_vllm(likely):
    torch.manual_seed(0)
    logits = torch.randn(24, 300) * torch.linspace(0.1, 6, 24)[:, None]
    top_p = torch.linspace(0.05, 0.99, 24)
    expected = apply_top_k_top_p_pytorch(logits.clone(), None, top_p)
    found = keep_nucleus(logits.clone(), top_p, likely)
    assert torch.equal(found, expected)
    assert 1 < expected.isfinite().sum(1).float().mean() < 250


def test_the_likeliest_token_is_always_kept():
    found = keep_nucleus(torch.tensor([[0.0, 50.0, 1.0]]), torch.tensor([0.01]), 2)
    assert found.tolist() == [[-torch.inf, 50.0, -torch.inf]]
