"""Names that training libraries ask for when they are imported, and what using them does."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
from unspool import nn
from unspool.utils import _pytree as pytree
from unspool.utils.data import DataLoader, TensorDataset, dataloader


def _named(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module.replace("torch", "unspool", 1)), last)


REFUSED = [
    "torch.distributed.fsdp.CPUOffload",
    "torch.distributed.fsdp.FSDPModule",
    "torch.distributed.fsdp.FullyShardedDataParallel",
    "torch.distributed.fsdp.MixedPrecision",
    "torch.distributed.fsdp.fully_shard",
    "torch.distributed.fsdp.sharded_grad_scaler.ShardedGradScaler",
    "torch.distributed.fsdp.wrap.ModuleWrapPolicy",
    "torch.distributed.fsdp.wrap.enable_wrap",
    "torch.distributed.checkpoint.FileSystemReader",
    "torch.distributed.checkpoint.save",
    "torch.distributed.checkpoint.state_dict.get_model_state_dict",
    "torch.distributed.device_mesh.DeviceMesh",
    "torch.distributed.device_mesh.init_device_mesh",
    "torch.distributed.distributed_c10d._get_default_group",
    "torch.distributed.algorithms.ddp_comm_hooks.default_hooks.fp16_compress_hook",
    "torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook.PostLocalSGDState",
    "torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook.powerSGD_hook",
    "torch.distributed.algorithms.model_averaging.averagers.PeriodicModelAverager",
    "torch.distributed.optim.DistributedOptimizer",
    "torch.distributed.optim.PostLocalSGDOptimizer",
    "torch.autograd.profiler.EventList",
    "torch.autograd.profiler.emit_nvtx",
    "torch.autograd.profiler.profile",
    "torch.profiler.profile",
    "torch.profiler.tensorboard_trace_handler",
    "torch.jit.ScriptFunction",
    "torch.PyTorchFileReader",
]


@pytest.mark.parametrize("name", REFUSED)
def test_names_can_be_asked_for_and_refuse_when_used(name: str) -> None:
    found = _named(name)
    assert found.__name__ == name.rpartition(".")[2]
    if isinstance(found, type):
        assert not isinstance(nn.Linear(1, 1), found)
        type("Derived", (found,), {})
    with pytest.raises(
        NotImplementedError, match=name.replace(".", r"\.") + " is not implemented in unspool"
    ):
        found(nn.Linear(1, 1))


ENTERED: list[tuple[str, Callable[[], Any]]] = [
    ("torch.overrides.TorchFunctionMode", lambda: us.overrides.TorchFunctionMode()),
    (
        "torch.utils.flop_counter.FlopCounterMode",
        lambda: us.utils.flop_counter.FlopCounterMode(display=False),
    ),
]


@pytest.mark.parametrize(("name", "make"), ENTERED, ids=[name for name, _ in ENTERED])
def test_modes_can_be_made_and_not_entered(name: str, make: Callable[[], Any]) -> None:
    mode = make()
    with pytest.raises(NotImplementedError, match=name.replace(".", r"\.")), mode:
        pytest.fail("the block ran")


def test_a_counter_that_was_not_entered_has_counted_nothing() -> None:
    counter = us.utils.flop_counter.FlopCounterMode(display=False)
    assert counter.get_total_flops() == 0
    assert counter.get_flop_counts() == {}


def test_choices_are_values_that_can_be_compared() -> None:
    fsdp = us.distributed.fsdp
    assert fsdp.ShardingStrategy["FULL_SHARD"] is fsdp.api.ShardingStrategy.FULL_SHARD
    assert fsdp.StateDictType.FULL_STATE_DICT != fsdp.StateDictType.SHARDED_STATE_DICT
    assert us.profiler.ProfilerAction.RECORD_AND_SAVE.value == 3
    assert us.profiler.ProfilerActivity.CPU in set(us.profiler.ProfilerActivity)
    assert not us.profiler.kineto_available()
    assert us.distributed.constants.default_pg_timeout.total_seconds() == 1800
    assert us.distributed.distributed_c10d.ProcessGroup is us.distributed.ProcessGroup
    assert nn.parallel.distributed.DistributedDataParallel is nn.parallel.DistributedDataParallel


def test_a_leaf_has_a_structure_of_its_own() -> None:
    leaves, spec = pytree.tree_flatten({"a": 1, "b": (2, 3)})
    assert leaves == [1, 2, 3]
    assert isinstance(spec.children_specs[0], pytree.LeafSpec)
    assert not isinstance(spec, pytree.LeafSpec)
    assert pytree.tree_structure(5) == pytree.LeafSpec()
    assert pytree.LeafSpec().is_leaf()
    assert pytree.LeafSpec().num_leaves == 1
    assert hash(pytree.LeafSpec()) == hash(pytree.tree_structure(None))
    by_hand = pytree.TreeSpec(list, None, (pytree.LeafSpec(), pytree.LeafSpec()))
    assert by_hand == pytree.tree_structure([1, 2])
    assert pytree.tree_unflatten([1, 2], pickle.loads(pickle.dumps(by_hand))) == [1, 2]


def test_iterators_of_loaders_have_their_classes() -> None:
    data = TensorDataset(us.arange(6.0))
    alone = iter(DataLoader(data, 2))
    assert isinstance(alone, dataloader._BaseDataLoaderIter)
    assert not isinstance(alone, dataloader._MultiProcessingDataLoaderIter)
    loader = DataLoader(data, 2, num_workers=1, persistent_workers=True, worker_method="multiprocessing")
    assert loader._iterator is None
    workers = iter(loader)
    assert isinstance(workers, dataloader._MultiProcessingDataLoaderIter)
    assert isinstance(workers, dataloader._BaseDataLoaderIter)
    assert loader._iterator is workers
    assert [batch[0].tolist() for batch in workers] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    workers._shutdown_workers()
    assert workers.closed
    again = iter(loader)
    assert again is not workers
    assert len(list(again)) == len(again) == 3
    again._shutdown_workers()


def test_no_module_is_a_scripted_one() -> None:
    assert us.ScriptModule is us.jit.ScriptModule
    assert not isinstance(nn.Linear(1, 1), us.jit.ScriptModule)
    assert not isinstance(us.jit.script(nn.Linear(1, 1)), us.jit.ScriptModule)

    class Own(us.jit.ScriptModule):
        def forward(self, x: us.Tensor) -> us.Tensor:
            return 2 * x

    assert Own()(us.ones(1)).item() == 2.0


def test_arguments_of_to_are_read_in_all_forms() -> None:
    parse, cpu = us._C._nn._parse_to, us.device("cpu")
    assert parse("cpu") == parse(cpu) == parse(device="cpu") == (cpu, None, False, None)
    assert parse(us.float64) == (None, us.float64, False, None)
    assert parse("cpu", us.float32, True) == (cpu, us.float32, True, None)
    assert parse(us.ones(1)) == (cpu, us.float32, False, None)
    assert parse(memory_format=us.channels_last) == (None, None, False, us.channels_last)
    assert us._C._TensorMeta is type(us.Tensor)
    assert us._C._log_api_usage_once("a") is None


def test_an_overridden_to_may_call_the_short_forms() -> None:
    class Careful(nn.Linear):
        def to(self, *args: Any, **kwargs: Any) -> Any:
            assert args != ("cpu",)
            assert args != (us.float64,)
            return super().to(*args, **kwargs)

    layer = Careful(1, 1)
    assert layer.cpu() is layer
    assert layer.double().weight.dtype is us.float64


def test_a_tensor_without_dimensions_is_formatted_as_its_number() -> None:
    assert f"{us.tensor(1)} {us.tensor(1.5)} {us.tensor(True)} {us.tensor(2.5):.2f}" == "1 1.5 True 2.50"
    assert f"{us.tensor(2.0, requires_grad=True)}" == "2.0"
    assert f"{us.ones(2)}" == "tensor([1., 1.])"
    assert str(us.tensor(1)) == "tensor(1)"
    assert f"{nn.Parameter(us.tensor(2.5))}".startswith("Parameter containing")
