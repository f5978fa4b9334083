"""What PyTorch's devices, tensors and tape nodes have and unspool's do not; the kinds a tensor is not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: us.ones(2).to(us.device("meta")), "'meta'.*skip_init"),
        (lambda: us.empty(3, device="meta"), "'meta'.*skip_init"),
        (lambda: us.zeros(2).to("mps"), "'mps'.*cpu"),
        (lambda: us.nn.Linear(2, 2, device="xpu:0"), "'xpu:0'"),
        (lambda: us.ones(3).stft(2), r"torch.Tensor.stft"),
        (lambda: us.ones(3).to_sparse_csr(), r"torch.Tensor.to_sparse_csr"),
        (lambda: us.ones(3, requires_grad=True).exp().grad_fn._saved_result, "grad_fn._saved_result"),
    ],
)
def test_using_one_names_it(use: Callable[[], Any], words: str) -> None:
    with pytest.raises(NotImplementedError, match=words):
        use()


def test_they_are_not_there_when_asked_for() -> None:
    node = us.ones(3, requires_grad=True).exp().grad_fn
    assert not hasattr(us.ones(1), "stft")
    assert not hasattr(node, "_saved_self")
    assert getattr(node, "_saved_self", 3) == 3
    with pytest.raises(AttributeError, match="no attribute 'colour'") as caught:
        _ = node.colour
    assert not isinstance(caught.value, NotImplementedError)


def test_devices_can_be_named_and_compared() -> None:
    meta, gpu, second = us.device("meta"), us.device("cuda"), us.device("cuda", 1)
    assert us.ones(1).device != meta != gpu != second
    assert (str(meta), str(gpu), str(second)) == ("meta", "cuda", "cuda:1")
    assert (meta.index, gpu.index, second.index) == (None, None, 1)
    assert (repr(gpu), repr(second)) == ("device(type='cuda')", "device(type='cuda', index=1)")
    assert pickle.loads(pickle.dumps(second)) == second


def test_a_block_on_a_device() -> None:
    with us.device("cpu") as here:
        assert us.ones(2).device == here
    with pytest.raises(NotImplementedError, match=r"'meta'.*skip_init"), us.device("meta"):
        pass
    with pytest.raises(RuntimeError, match="no CUDA support"), us.device("cuda"):
        pass


def test_a_word_that_is_no_device_is_no_device_elsewhere() -> None:
    with pytest.raises(RuntimeError, match="'float32' is not a device") as caught:
        us.device("float32")
    assert not isinstance(caught.value, NotImplementedError)


def test_a_tensor_is_of_no_other_kind() -> None:
    x = us.ones(2, 3)
    kinds = (
        "ipu",
        "maia",
        "mkldnn",
        "mtia",
        "nested",
        "sparse_csr",
        "vulkan",
        "xla",
        "sparse",
        "meta",
        "quantized",
    )
    assert not any(getattr(x, f"is_{kind}") for kind in kinds)
    assert (x.dense_dim(), x.sparse_dim(), x.is_distributed()) == (2, 0, False)
