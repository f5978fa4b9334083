"""What lies behind the memory of small tensors: kernels read whole vectors there, with some lanes masked."""

from __future__ import annotations

import ctypes
import mmap
import sys

import pytest

import unspool as us


def is_present(address: int) -> bool:
    """Whether a page of this process is mapped and has memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    flag = ctypes.c_ubyte(0)
    result = libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), ctypes.byref(flag))
    return bool(result == 0 and flag.value & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux about pages")
@pytest.mark.parametrize("elements", [1, 16, 24, 40, 64, 100, 250, 500])
def test_the_page_behind_a_small_tensor_is_there(elements: int) -> None:
    # Enough for more than one span of blocks. A masked load across a page that is not there takes some
    # hundred times as long as any other, and made a product of a matrix and 16 elements ten times slower.
    tensors = [us.empty(elements) for _ in range(600_000 // (4 * elements) + 10)]
    pages = set()
    for x in tensors:
        end = x.data_ptr() + 64 * ((4 * elements + 63) // 64)
        pages.add(end // mmap.PAGESIZE * mmap.PAGESIZE)
    assert len(pages) > 100
    assert all(is_present(page) for page in pages)
