"""The modules around the core that scripts import: what they answer, accept and refuse by name."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn

MODULES = [
    "_C",
    "__config__",
    "_dynamo",
    "_dynamo._trace_wrapped_higher_order_op",
    "_dynamo.config",
    "_dynamo.exc",
    "_higher_order_ops.associative_scan",
    "accelerator",
    "amp",
    "amp.grad_scaler",
    "amp.autocast_mode",
    "augment",
    "augment.functional",
    "backends",
    "backends.cuda",
    "backends.cudnn",
    "backends.mps",
    "backends.mkldnn",
    "backends.openmp",
    "compiler",
    "cuda",
    "cuda.amp",
    "fft",
    "functional",
    "masked",
    "mps",
    "nn.modules.pixelshuffle",
    "nn.modules.upsampling",
    "nn.modules.utils",
    "profiler",
    "quasirandom",
    "signal",
    "signal.windows",
    "utils.dlpack",
    "utils.model_zoo",
    "utils.hooks",
    "xpu",
    "distributed",
    "distributed.algorithms",
    "distributed.algorithms.ddp_comm_hooks",
    "distributed.algorithms.ddp_comm_hooks.default_hooks",
    "distributed.algorithms.ddp_comm_hooks.post_localSGD_hook",
    "distributed.algorithms.ddp_comm_hooks.powerSGD_hook",
    "distributed.algorithms.model_averaging.averagers",
    "distributed.checkpoint",
    "distributed.checkpoint.state_dict",
    "distributed.constants",
    "distributed.device_mesh",
    "distributed.distributed_c10d",
    "distributed.fsdp",
    "distributed.fsdp.api",
    "distributed.fsdp.fully_sharded_data_parallel",
    "distributed.fsdp.sharded_grad_scaler",
    "distributed.fsdp.wrap",
    "distributed.tensor",
    "distributed.nn",
    "distributed.optim",
    "futures",
    "fx",
    "hub",
    "jit",
    "library",
    "nn.attention.flex_attention",
    "autograd.graph",
    "ops",
    "multiprocessing",
    "nn.parallel",
    "nn.parallel.distributed",
    "nn.utils.prune",
    "onnx",
    "overrides",
    "serialization",
    "storage",
    "testing",
    "train",
    "types",
    "utils",
    "utils.checkpoint",
    "utils._foreach_utils",
    "utils._pytree",
    "utils.flop_counter",
    "utils.data",
    "utils.data.dataloader",
    "utils.data.dataset",
    "utils.data.distributed",
    "utils.data.sampler",
    "utils.tensorboard",
    "utils.tensorboard.summary",
    "version",
]


@pytest.mark.parametrize("name", MODULES)
def test_modules_can_be_imported_and_reached(name: str) -> None:
    module = importlib.import_module(f"unspool.{name}")
    found: Any = us
    for part in name.split("."):
        found = getattr(found, part)
    assert found is module
    assert all(hasattr(module, each) for each in getattr(module, "__all__", []))


def test_importing_the_package_imports_little() -> None:
    script = (
        "import sys, numpy; before = set(sys.modules); import unspool; "
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    strangers = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert strangers <= {"unspool", "numpy"}
    heavy = {"multiprocessing", "asyncio", "unittest", "zipfile", "json", "socket", "subprocess", "logging"}
    assert heavy & set(loaded) == set()
    lazy = [name for name in MODULES if name != "serialization" and f"unspool.{name}" in loaded]
    assert lazy == []


def test_names_that_are_missing_say_so() -> None:
    with pytest.raises(
        NotImplementedError, match=r"torch\.quantize_per_tensor is not implemented in unspool"
    ):
        us.quantize_per_tensor  # noqa: B018
    with pytest.raises(NotImplementedError, match=r"torch\.nn\.LSTMCel|torch\.nn\.Quant|torch\.nn\.qat"):
        us.nn.qat  # noqa: B018
    assert not hasattr(us, "quantize_per_tensor")
    with pytest.raises(AttributeError, match="module 'unspool' has no attribute 'sofmax'") as caught:
        us.sofmax  # noqa: B018
    assert not isinstance(caught.value, NotImplementedError)
    with pytest.raises(ImportError):
        exec("from unspool import quantize_per_tensor")


# ---- devices that are not there ----


def test_questions_about_devices_are_answered() -> None:
    assert not us.cuda.is_available()
    assert us.cuda.device_count() == 0
    assert not us.cuda.is_bf16_supported()
    assert us.cuda.memory_allocated() == us.cuda.max_memory_allocated() == 0
    us.cuda.manual_seed_all(1)
    us.cuda.empty_cache()
    assert not us.accelerator.is_available()
    assert us.accelerator.current_accelerator() is None
    assert not us.backends.mps.is_available()
    assert not us.distributed.is_available()
    assert not us.distributed.is_initialized()
    assert not isinstance(us.ones(1), us.cuda.FloatTensor)
    assert us.version.cuda is None
    with us.cuda.device(None):
        pass


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("torch.cuda.set_device", lambda: us.cuda.set_device(0)),
    ("torch.cuda.synchronize", lambda: us.cuda.synchronize()),
    ("torch.cuda.get_device_name", lambda: us.cuda.get_device_name(0)),
    ("torch.cuda.FloatTensor", lambda: us.cuda.FloatTensor(3)),
    ("torch.cuda.Stream", lambda: us.cuda.Stream()),
    ("torch.cuda.device", lambda: us.cuda.device(0)),
    ("torch.accelerator.synchronize", lambda: us.accelerator.synchronize()),
    ("torch.distributed.init_process_group", lambda: us.distributed.init_process_group(backend="nccl")),
    ("torch.distributed.get_rank", lambda: us.distributed.get_rank()),
    (
        "torch.nn.parallel.DistributedDataParallel",
        lambda: nn.parallel.DistributedDataParallel(nn.Linear(1, 1)),
    ),
    ("torch.onnx.export", lambda: us.onnx.export(nn.Linear(1, 1), us.ones(1), "a.onnx")),
    ("torch.hub.load", lambda: us.hub.load("a/b", "c")),
    ("torch.jit.save", lambda: us.jit.save(nn.Linear(1, 1), "a.pt")),
    ("torch.Tensor.share_memory_", lambda: us.ones(1).share_memory_()),
    ("torch.cos", lambda: us.cos(us.eye(2).to_sparse())),
]


@pytest.mark.parametrize(("name", "call"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_cannot_be_done_is_refused_by_name(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match=name.replace(".", r"\.")):
        call()


class Doubled:
    """No tensor, but knows what a sum is."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert Doubled in types
        return ("sum", len(args), kwargs) if func.__name__ == "sum" else NotImplemented


def test_classes_that_are_no_tensors_can_say_what_operations_mean() -> None:
    assert us.sum(Doubled(), dim=1) == ("sum", 1, {"dim": 1})
    assert us.overrides.has_torch_function((us.ones(1), Doubled()))
    assert not us.overrides.has_torch_function((us.ones(1), 3))
    assert us.overrides.is_tensor_like(Doubled())
    assert us.overrides.handle_torch_function(us.sum, (Doubled(),), 1) == ("sum", 1, {})
    with pytest.raises(TypeError, match="must be Tensor, not Doubled"):
        us.mean(Doubled())
    with pytest.raises(TypeError, match="asked Doubled"):
        us.overrides.handle_torch_function(us.mean, (Doubled(),), Doubled())


def test_switches_can_be_set_and_read() -> None:
    us.backends.cudnn.benchmark = True
    us.backends.cudnn.deterministic = True
    us.backends.cuda.matmul.allow_tf32 = True
    assert us.backends.cudnn.benchmark
    with us.backends.cudnn.flags(enabled=False):
        assert not us.backends.cudnn.enabled
    assert us.backends.cudnn.enabled
    us.set_float32_matmul_precision("high")
    assert us.get_float32_matmul_precision() == "high"
    with pytest.raises(ValueError, match="low"):
        us.set_float32_matmul_precision("low")
    us.set_float32_matmul_precision("highest")
    us.use_deterministic_algorithms(True, warn_only=True)
    assert us.are_deterministic_algorithms_enabled()
    assert us.get_deterministic_debug_mode() == 1
    us.use_deterministic_algorithms(False)
    us.set_default_device("cpu")
    assert us.get_default_device() == us.device("cpu")
    with pytest.raises(RuntimeError, match="cuda"):
        us.set_default_device("cuda")
    us.set_default_tensor_type(us.DoubleTensor)
    assert us.ones(1).dtype is us.float64
    us.set_default_tensor_type("torch.FloatTensor")
    assert us.ones(1).dtype is us.float32
    assert not us.set_flush_denormal(True)
    us.set_num_interop_threads(2)
    assert us.get_num_interop_threads() == 1


# ---- old names of types, storages ----


def test_old_names_make_and_test_for_tensors() -> None:
    assert us.FloatTensor(2, 3).shape == (2, 3)
    assert us.LongTensor([1, 2]).dtype is us.int64
    assert us.DoubleTensor(np.ones(2, np.float32)).dtype is us.float64
    assert us.ByteTensor().shape == (0,)
    assert us.HalfTensor(us.Size([2])).shape == (2,)
    assert us.ones(2).type(us.LongTensor).dtype is us.int64
    assert isinstance(us.ones(1), us.FloatTensor)
    assert not isinstance(us.ones(1), us.LongTensor)
    with pytest.raises(TypeError, match="FloatTensor: expected sizes"):
        us.FloatTensor([1], [2])


def test_the_storage_of_a_tensor() -> None:
    x = us.tensor([1, 2, 3], dtype=us.uint8)
    storage = x[1:].untyped_storage()
    assert storage.tolist() == [1, 2, 3]
    assert (storage.nbytes(), len(storage), storage[2]) == (3, 3, 3)
    assert storage == x.untyped_storage()
    assert us.is_storage(storage)
    assert us.typename(x) == "unspool.ByteTensor"
    assert us.typename(nn.Linear(1, 1)).endswith("Linear")
    assert x.pin_memory() is x
    assert not x.is_pinned()
    assert not x.is_shared()


# ---- mixed precision ----


def test_autocast_keeps_float32() -> None:
    layer, x = nn.Linear(2, 3), us.ones(1, 2)
    with us.autocast("cuda", dtype=us.float16), us.amp.autocast(device_type="cpu", dtype=us.bfloat16):
        assert layer(x).dtype is us.float32
    with us.cuda.amp.autocast(enabled=False):
        pass
    assert us.equal(us.autocast("cpu")(layer.forward)(x), layer(x))
    with pytest.raises(RuntimeError, match="unknown device type 'gpu'"):
        us.autocast("gpu")


def test_a_disabled_scaler_changes_nothing() -> None:
    for scaler in (us.amp.GradScaler(enabled=False), us.cuda.amp.GradScaler(), us.GradScaler("cuda")):
        w = us.ones(1, requires_grad=True)
        optimizer = us.optim.SGD([w], lr=1.0)
        loss = (w * 2).sum()
        assert scaler.scale(loss) is loss
        loss.backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert w.item() == -1.0
        assert scaler.get_scale() == 1.0
        assert scaler.state_dict() == {}


def test_a_scaler_scales_and_adapts() -> None:
    scaler = us.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    w = us.ones(1, requires_grad=True)
    optimizer = us.optim.SGD([w], lr=1.0)

    def train(factor: float) -> None:
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    train(2.0)
    assert (w.item(), scaler.get_scale()) == (-1.0, 8.0)
    train(2.0)
    assert (w.item(), scaler.get_scale()) == (-3.0, 16.0)
    train(float("inf"))
    assert (w.item(), scaler.get_scale()) == (-3.0, 8.0)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="twice"):
        scaler.unscale_(optimizer)
    other = us.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 8.0
    with pytest.raises(RuntimeError, match=r"no step\(\)"):
        other.update()
    with pytest.raises(ValueError, match="growth_factor"):
        us.amp.GradScaler("cpu", growth_factor=1.0)


# ---- wrappers that give what they are given ----


def test_modules_run_as_they_are() -> None:
    layer, x = nn.Linear(2, 3), us.ones(4, 2)
    wrapped = nn.DataParallel(layer, device_ids=[0])
    assert us.equal(wrapped(x), layer(x))
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert us.equal(nn.parallel.data_parallel(layer, x), layer(x))
    assert us.jit.script(layer) is layer
    assert us.jit.trace(layer, x) is layer

    @us.jit.script
    @us.jit.ignore
    @us.jit.ignore(drop=True)
    @us.jit.unused
    def twice(x: us.Tensor) -> us.Tensor:
        return 2 * x

    assert twice(x)[0, 0].item() == 2.0
    assert not us.jit.is_scripting()


def test_fork_rng_puts_the_generator_back() -> None:
    us.manual_seed(3)
    with us.random.fork_rng():
        us.rand(5)
    first = us.rand(1)
    us.manual_seed(3)
    assert us.equal(us.rand(1), first)


def _work(number: int, folder: str) -> None:
    (Path(folder) / str(number)).touch()
    if number == 2:
        sys.exit(3)


def test_spawn_runs_processes(tmp_path: Path) -> None:
    us.multiprocessing.spawn(_work, (str(tmp_path),), nprocs=2, start_method="fork")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["0", "1"]
    with pytest.raises(RuntimeError, match="process 2 ended with exit code 3"):
        us.multiprocessing.spawn(_work, (str(tmp_path),), nprocs=3, start_method="fork")


# ---- comparisons ----


def test_close_values_pass() -> None:
    close = us.testing.assert_close
    close(us.tensor([1.0, 2.0]), us.tensor([1.0, 2.0 + 2e-6]))
    close([us.ones(2), {"a": 1.0}], (us.ones(2), {"a": 1.0}))
    close(np.ones(2), np.ones(2))
    close(us.tensor(float("nan")), us.tensor(float("nan")), equal_nan=True)
    close(us.ones(2), us.ones(2).double(), check_dtype=False)
    close(None, None)
    close(3, 3)


@pytest.mark.parametrize(
    ("actual", "expected", "settings", "message"),
    [
        (us.tensor([1.0, 2.0]), us.tensor([1.0, 2.1]), {}, r"(?s)Mismatched elements: 1 / 2.*index \(1,\)"),
        (us.tensor(1.0), us.tensor(1.1), {}, "Scalars are not close"),
        (us.ones(2), us.ones(3), {}, "'shape' do not match"),
        (us.ones(2), us.ones(2).double(), {}, "'dtype' do not match"),
        (us.ones(2, 2), us.ones(2, 2).t(), {"check_stride": True}, "stride"),
        (us.tensor(float("nan")), us.tensor(float("nan")), {}, "not close"),
        ([us.ones(1), us.ones(1)], [us.ones(1), us.zeros(1)], {}, r"item \[1\]"),
        ({"a": 1}, {"b": 1}, {}, "keys"),
        ([1], [1, 2], {}, "length"),
        (None, 1, {}, "None mismatch"),
        (1, 2, {"msg": "mine"}, "^mine$"),
        (1.0, 1.0 + 1e-6, {}, "not close"),
    ],
)
def test_values_that_are_not_close_are_reported(
    actual: Any, expected: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        us.testing.assert_close(actual, expected, **settings)


def test_comparisons_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="go together"):
        us.testing.assert_close(1, 1, rtol=0.1)
    with pytest.raises(TypeError, match="a str cannot be compared"):
        us.testing.assert_close("a", "a")


# ---- printing ----


def test_print_options_change_how_tensors_are_shown() -> None:
    us.set_printoptions(precision=2, threshold=4, edgeitems=1)
    assert repr(us.tensor([0.125, 0.5])) == "tensor([0.12, 0.50])"
    assert repr(us.arange(6)) == "tensor([0, ..., 5])"
    us.set_printoptions(profile="default", sci_mode=True)
    assert repr(us.tensor([1.5])) == "tensor([1.5000e+00])"
    us.set_printoptions(profile="default")
    assert repr(us.tensor([1.5])) == "tensor([1.5000])"
    with pytest.raises(ValueError, match="profile"):
        us.set_printoptions(profile="wide")


# ---- TensorBoard ----


def test_records_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with us.utils.tensorboard.SummaryWriter(tmp_path / "logs") as writer:
        for step in range(3):
            writer.add_scalar("loss", us.tensor(1.0 / (step + 1)), step)
        writer.add_scalars("both", {"a": 1, "b": 2}, 0)
        writer.add_text("note", "hello")
        writer.add_histogram("weights", us.randn(100), 1)
        writer.add_image("image", us.rand(3, 4, 5))
        writer.add_images("images", us.rand(2, 1, 4, 5))
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5})
        with pytest.raises(NotImplementedError, match="add_graph"):
            writer.add_graph(nn.Linear(1, 1))
    events = accumulator.EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([1.0, 0.5, 1 / 3])
    image = events.Images("image")[0]
    assert (image.width, image.height) == (5, 4)
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert sum(events.Histograms("weights")[0].histogram_value.bucket) == 100
    assert len(list((tmp_path / "logs").iterdir())) == 3


def test_a_closed_writer_can_be_flushed_closed_and_written_to(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer = us.utils.tensorboard.SummaryWriter(tmp_path, filename_suffix=".first")
    writer.add_scalar("loss", 1.0, 0)
    writer.add_scalars("both", {"a": 1.0}, 0)
    for _ in range(2):
        writer.close()
        writer.flush()
    writer.add_scalar("loss", 0.5, 1)
    writer.add_scalars("both", {"a": 0.5}, 1)
    writer.close()
    found = []
    for path in sorted(tmp_path.glob("events*")):
        events = accumulator.EventAccumulator(str(path))
        events.Reload()
        found += [event.value for event in events.Scalars("loss")]
    assert found == [1.0, 0.5]


def test_settings_are_recorded_for_the_table_of_runs(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.plugins.hparams import api_pb2, metadata

    hparams = importlib.import_module("unspool.utils.tensorboard.summary").hparams
    settings = {"lr": us.tensor(0.5), "layers": 2, "name": "a", "deep": True, "none": None}
    records = hparams(settings, {"loss": -1}, {"name": ["a", "b"]})
    with us.utils.tensorboard.SummaryWriter(tmp_path) as writer:
        file = writer._get_file_writer()
        assert file.get_logdir() == str(tmp_path)
        for record in records:
            file.add_summary(record, 0)
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    content = events.PluginTagToContent("hparams")
    table = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    kinds = {each.name: each.type for each in table.hparam_infos}
    number, text = api_pb2.DATA_TYPE_FLOAT64, api_pb2.DATA_TYPE_STRING
    assert kinds == {"lr": number, "layers": number, "name": text, "deep": api_pb2.DATA_TYPE_BOOL}
    assert [each.string_value for each in table.hparam_infos[2].domain_discrete.values] == ["a", "b"]
    assert [each.name.tag for each in table.metric_infos] == ["loss"]
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert (start.hparams["lr"].number_value, start.hparams["layers"].number_value) == (0.5, 2.0)
    assert (start.hparams["name"].string_value, start.hparams["deep"].bool_value) == ("a", True)
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    assert end.status == api_pb2.STATUS_SUCCESS
    with pytest.raises(ValueError, match="'a' is a list"):
        hparams({"a": [1]}, {})
    with pytest.raises(ValueError, match="the domain of 'a' has 'x'"):
        hparams({"a": 1}, {}, {"a": ["x"]})
    with pytest.raises(TypeError, match="metric_dict must be a dict, got list"):
        hparams({}, [])


def test_without_tensorboard_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        us.utils.tensorboard.SummaryWriter("runs")


def test_memory_formats_are_accepted_and_change_no_values() -> None:
    x = us.arange(24.0).reshape(1, 2, 3, 4)
    for result in (
        x.to(memory_format=us.channels_last),
        x.contiguous(memory_format=us.channels_last),
        x.clone(memory_format=us.preserve_format),
        us.clone(x, memory_format=us.contiguous_format),
        x.float(memory_format=us.preserve_format),
    ):
        assert us.equal(result, x)
    assert x.layout is us.strided
    assert us.eye(2).to_sparse().layout is us.sparse_coo
    assert us.zeros(2, layout=us.strided).tolist() == [0.0, 0.0]
    assert isinstance(us.channels_last, us.memory_format)
    assert pickle.loads(pickle.dumps(us.channels_last_3d)) is us.channels_last_3d
    with pytest.raises(TypeError, match="memory_format"):
        us.sum(x, memory_format=us.channels_last)


def test_a_tensor_says_in_which_order_it_lies() -> None:
    x = us.zeros(2, 3, 4, 5)
    assert x.is_contiguous()
    assert x.is_contiguous(memory_format=us.contiguous_format)
    assert not x.is_contiguous(memory_format=us.channels_last)
    last = us.zeros(2, 4, 5, 3).permute(0, 3, 1, 2)
    assert not last.is_contiguous()
    assert last.is_contiguous(memory_format=us.channels_last)
    assert not last.is_contiguous(memory_format=us.channels_last_3d)
    assert us.zeros(2, 3, 4, 5, 1).permute(0, 4, 1, 2, 3).is_contiguous(memory_format=us.channels_last_3d)


def test_private_names_of_pytorch_are_missing_by_name() -> None:
    for call in (lambda: us._inductor, lambda: us.utils._triton):
        with pytest.raises(
            NotImplementedError, match=r"torch\.(_inductor|utils\._triton) is not implemented"
        ):
            call()
    assert not hasattr(us, "_inductor")


def test_marks_for_compilers_are_accepted_and_their_programs_refused() -> None:
    def twice(x: us.Tensor) -> us.Tensor:
        return 2 * x

    assert us.fx.wrap(twice) is twice
    assert us.jit._overload_method(twice) is twice
    assert not isinstance(nn.Identity(), us.fx.GraphModule)
    for call in (us.fx.Graph, us.fx.Transformer, us._C.Value, lambda: us.fx.symbolic_trace(nn.Identity())):
        with pytest.raises(NotImplementedError, match=r"torch\.(fx|_C)\.\w+ is not implemented in unspool"):
            call()
    assert us._C.dtype is us.dtype


def test_the_build_describes_itself_under_both_names() -> None:
    assert us.__config__.show() == us.show_config()
    assert "OpenMP" in us.__config__.parallel_info()


def test_there_are_no_states_of_devices() -> None:
    checkpoint = us.utils.checkpoint
    assert checkpoint.get_device_states(us.zeros(2)) == ([], [])
    checkpoint.set_device_states([], [])
    assert us.cuda._initialized is False
    with pytest.raises(RuntimeError, match="use set_rng_state"):
        checkpoint.set_device_states([0], [us.get_rng_state()])
    with pytest.raises(RuntimeError, match="all_reduce"):
        importlib.import_module("unspool.distributed.nn").all_reduce(us.ones(2))
