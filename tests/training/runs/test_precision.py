"""Compute type and sharding of a training, on literal models; whole trainings: test_sharding."""

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments
from trl import SFTConfig
from trl.trainer.utils import add_fused_lm_head

from training.runs.command_line.run import require_usable_sharding
from training.runs.precision import POLICY, complete_arguments, require_float32
from training.settings.stages import SFTSettings
from training.sft import train_sft
from transforms.errors import InputError

ACCELERATE = MixedPrecisionPolicy(
    param_dtype=torch.bfloat16, reduce_dtype=torch.bfloat16, output_dtype=torch.bfloat16
)
"""What accelerate sets under FSDP2."""
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}


def arguments(tmp_path, **changed):
    return SFTConfig(output_dir=str(tmp_path), use_cpu=True, report_to="none", **changed)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """A group of one process, which shards as several do."""
    store = torch.distributed.FileStore(str(tmp_path_factory.mktemp("store") / "s"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def shard(model, mesh, policy):
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    return fully_shard(model, mesh=mesh, mp_policy=policy)


def make_model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config)
    add_fused_lm_head(model)
    return model


def test_summed_log_probabilities_are_exact_when_sharded(mesh):
    ids = torch.randint(0, 500, (2, 300), generator=torch.Generator().manual_seed(1))
    sums = {}
    for name, policy in {"float32": None, "ours": POLICY, "accelerate": ACCELERATE}.items():
        model = make_model()
        if policy is not None:
            shard(model, mesh, policy)
        with torch.no_grad():
            logps = model(input_ids=ids, labels=ids, fused_lm_head=True).log_probs
        sums[name] = logps.sum(dim=1)
    # near -1,800 nats, bfloat16 has steps of 8
    assert sums["ours"].dtype == torch.float32
    assert sums["ours"].tolist() == pytest.approx(sums["float32"].tolist(), abs=0.1)
    assert sums["accelerate"].tolist() != pytest.approx(sums["float32"].tolist(), abs=0.1)


def test_gradients_of_micro_batches_are_added_in_float32(mesh):
    def sum_gradients(policy):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
        if policy is not None:
            fully_shard(net, mesh=mesh, mp_policy=policy)
        numbers = torch.Generator().manual_seed(1)
        for step in range(64):
            if isinstance(net, FSDPModule):
                net.set_requires_gradient_sync(step == 63)
            rewards = net(torch.randn(8, 64, generator=numbers)).float()
            torch.nn.functional.softplus(-rewards).mean().backward()
        gradients = [weight.grad for weight in net.parameters()]
        return torch.cat(
            [(g.full_tensor() if policy is not None else g).flatten() for g in gradients]
        )

    exact = sum_gradients(None)
    errors = {
        name: float((sum_gradients(policy) - exact).norm() / exact.norm())
        for name, policy in {"ours": POLICY, "accelerate": ACCELERATE}.items()
    }
    assert errors["ours"] < 0.004
    assert errors["accelerate"] > 2 * errors["ours"]


def test_an_output_in_bfloat16_stops_a_training(mesh):
    ids = torch.zeros((1, 4), dtype=torch.long)
    for policy in (POLICY, ACCELERATE):
        model = shard(make_model(), mesh, policy)
        model.register_forward_hook(require_float32)
        if policy is POLICY:
            model(input_ids=ids, labels=ids, fused_lm_head=True)
        else:
            with pytest.raises(TypeError, match=r"loss of FSDPLlama\w+ is torch.bfloat16"):
                model(input_ids=ids, labels=ids, fused_lm_head=True)


@pytest.mark.parametrize("bf16", [True, False])
def test_the_arguments_of_a_sharded_training_have_the_policy(bf16, tmp_path, monkeypatch):
    for name, value in FSDP.items():
        monkeypatch.setenv(name, value)
    completed = complete_arguments(arguments(tmp_path, bf16=bf16))
    assert completed.fsdp_plugin_args == {"mixed_precision_policy": POLICY if bf16 else None}
    assert completed.accelerator_config.gradient_accumulation_kwargs["sync_each_batch"]


def test_the_arguments_of_an_unsharded_training_have_no_policy(tmp_path):
    assert complete_arguments(arguments(tmp_path, bf16=True)).fsdp_plugin_args is None


def test_another_compute_type_in_the_accelerate_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(InputError, match=r"mixed_precision: no"):
        complete_arguments(arguments(tmp_path, bf16=False))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DEEPSPEED"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "MEGATRON_LM"),
        ({**FSDP, "FSDP_VERSION": "1"}, "fsdp_version"),
        ({**FSDP, "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"}, "fsdp_state_dict_type"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "fsdp_state_dict_type"),
        ({**FSDP, "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}, "ram_efficient_loading"),
    ],
)
def test_other_kinds_of_sharding_are_refused(changed, named):
    with pytest.raises(InputError, match=named):
        require_usable_sharding(changed)


def test_the_shipped_kinds_of_sharding_are_used():
    require_usable_sharding(FSDP)
    require_usable_sharding({"ACCELERATE_USE_FSDP": "false"})


def test_one_process_that_sees_several_gpus_trains(
    tiny_policy, demonstrations, tmp_path, monkeypatch
):
    made = TrainingArguments.__post_init__

    def see_eight_gpus(self):
        made(self)
        self._n_gpu = 8

    monkeypatch.setattr(TrainingArguments, "__post_init__", see_eight_gpus)
    settings = SFTSettings(batch_size=4, micro_batch_size=4, max_steps=1)
    run = train_sft(
        demonstrations, tiny_policy, tmp_path / "sft", settings, seed=0, dtype="float32"
    )
    assert run.steps == 1
