"""The memory of a training against torch's own tracker, on tensors without data."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from transformers import AutoModelForCausalLM, LlamaConfig

from training.planning import memory
from training.planning.known_models import KNOWN
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.training import TrainingSettings


def track(model: ArchitectureSettings, tokens: int, *, checkpointed: bool) -> int:
    """Return the most bytes at once in a step of two micro-batches, after a first step."""
    config = LlamaConfig(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        head_dim=model.head_size,
        intermediate_size=model.intermediate_size,
        vocab_size=model.vocab_size,
        tie_word_embeddings=model.tied,
    )
    with FakeTensorMode():
        built = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").train()
        if checkpointed:
            built.gradient_checkpointing_enable()
        optimiser = torch.optim.AdamW(built.parameters(), foreach=False)
        tracker = MemTracker()
        tracker.track_external(built, optimiser)
        ids = torch.zeros((1, tokens), dtype=torch.long)
        with tracker:
            for micro_batch in range(4):
                with torch.autocast("cpu", torch.bfloat16):
                    states = built.model(input_ids=ids, use_cache=False).last_hidden_state
                states.float().mean().backward()
                tracker.reset_mod_stats()
                if micro_batch == 1:  # the moments exist from the first step on
                    optimiser.step()
                    optimiser.zero_grad()
        peak = tracker.get_tracker_snapshot("peak")
    return sum(parts["Total"] for parts in peak.values())


@pytest.mark.slow
@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_training_needs_the_memory_that_torch_counts(checkpointed):
    model = KNOWN["meta-llama/Llama-3.2-1B"].model_copy(update={"layers": 4, "vocab_size": 1024})
    settings = TrainingSettings(
        learning_rate=1e-5, batch_size=2, micro_batch_size=1, max_tokens=4096,
        gradient_checkpointing=checkpointed,
    )  # fmt: skip
    planned = memory.measure_training(
        model, settings, head="reward", sequences=1, tokens=4096, sharded=False, dtype="bfloat16"
    )
    counted = track(model, 4096, checkpointed=checkpointed)
    assert planned.total - planned.reserved == pytest.approx(counted, rel=0.1)
