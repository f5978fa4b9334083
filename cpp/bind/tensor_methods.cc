// Properties and methods of Tensor that are not operations.
#include "bind/tensor_methods.h"

#include "bind/autograd.h"
#include "bind/compiled_step.h"
#include "bind/convert.h"
#include "bind/create.h"
#include "bind/device.h"
#include "bind/errors.h"
#include "bind/size.h"
#include "bind/subclass.h"
#include "bind/tensor_object.h"
#include "exec/node.h"
#include "exec/program/trace.h"
#include "ops/api.h"
#include "ops/shape.h"

namespace unspool::bind {
namespace {

using Self = PyObject*;

template <class F>
PyObject* read(Self self, F&& f) {
  return guarded([&] { return f(tensor_of(self)); });
}

PyObject* get_shape(Self self, void*) {
  return read(self, [](const Tensor& t) { return wrap_size(t.sizes()); });
}
PyObject* get_dtype(Self self, void*) { return Py_NewRef(dtype_object(tensor_of(self).dtype())); }
PyObject* get_ndim(Self self, void*) { return PyLong_FromLong(tensor_of(self).ndim()); }
PyObject* get_device(Self self, void*) {
  return read(self, [](const Tensor& t) { return device_object(t.device()); });
}
PyObject* get_is_cuda(Self, void*) { Py_RETURN_FALSE; }
PyObject* get_is_sparse(Self, void*) { Py_RETURN_FALSE; }
PyObject* get_itemsize(Self self, void*) { return PyLong_FromSize_t(size_of(tensor_of(self).dtype())); }
PyObject* get_nbytes(Self self, void*) {
  return PyLong_FromSize_t(static_cast<std::size_t>(tensor_of(self).numel()) *
                           size_of(tensor_of(self).dtype()));
}
PyObject* get_version(Self self, void*) {
  return PyLong_FromUnsignedLong(tensor_of(self)->storage->version());
}

PyObject* get_requires_grad(Self self, void*) { return PyBool_FromLong(tensor_of(self).requires_grad()); }

void require_grad(const Tensor& t, bool wanted) {
  if (wanted && !is_floating(t.dtype())) {
    fail("requires_grad: only floating tensors have gradients, not ", name(t.dtype()));
  }
  if (!wanted && !exec::is_leaf(t.impl())) {
    fail("requires_grad: only leaves can stop requiring grad; use detach()");
  }
  t->requires_grad = wanted;
}

int set_requires_grad(Self self, PyObject* value, void*) {
  return guarded(-1, [&] {
    if (!value || !PyBool_Check(value)) fail(ErrorKind::kType, "requires_grad: expected a bool");
    require_grad(tensor_of(self), value == Py_True);
    return 0;
  });
}
PyObject* get_grad(Self self, void*) {
  return read(self, [](const Tensor& t) {
    if (exec::is_spent(t)) {
      fail(
          "grad: this gradient was used by backward(step=...) to update the parameter at once, and freed. To "
          "look "
          "at gradients, register a hook (register_post_accumulate_grad_hook), or call backward() and the "
          "optimizer's step() one after the other");
    }
    return wrap(exec::gradient_of(t));
  });
}
PyObject* get_present_grad(Self self, void*) {
  return read(self, [](const Tensor& t) { return wrap(exec::gradient_of(t)); });
}
int set_grad(Self self, PyObject* value, void*) {
  return guarded(-1, [&] {
    if (!value || value == Py_None) {
      exec::set_gradient(tensor_of(self), Tensor());
      return 0;
    }
    if (!is_tensor(value))
      fail(ErrorKind::kType, "grad: expected a Tensor or None, not ", Py_TYPE(value)->tp_name);
    exec::set_gradient(tensor_of(self), tensor_of(value));
    return 0;
  });
}
PyObject* get_is_leaf(Self self, void*) { return PyBool_FromLong(exec::is_leaf(tensor_of(self).impl())); }
PyObject* get_retains_grad(Self self, void*) {
  const exec::AutogradSlot* slot = exec::slot_if_any(tensor_of(self).impl());
  return PyBool_FromLong(slot && slot->retainer);
}
PyObject* get_grad_fn(Self self, void*) {
  return read(self, [](const Tensor& t) {
    return node_object(exec::is_leaf(t.impl()) ? nullptr : exec::edge_of(t.impl()).node());
  });
}

Tensor detached(const Tensor& t) {
  Tensor result = t.alias();
  if (t->base) result->base = nullptr;
  return result;
}
PyObject* get_data(Self self, void*) {
  return read(self, [](const Tensor& t) {
    Tensor result = detached(t);
    result->storage = Storage::counted_apart(t->storage);
    if (exec::Trace* trace = exec::Trace::current()) trace->counted_apart(t, result->storage);
    return wrap(std::move(result));
  });
}
int set_data(Self self, PyObject* value, void*) {
  return guarded(-1, [&] {
    if (!value || !is_tensor(value)) fail(ErrorKind::kType, "data: expected a Tensor");
    const Tensor &t = tensor_of(self), &source = tensor_of(value);
    before_rebinding(t, "data");
    if (t->requires_grad && !is_floating(source.dtype())) {
      fail("data: a tensor that requires grad cannot hold ", name(source.dtype()));
    }
    t->base = nullptr;
    t->storage = source->storage;
    t->offset = source->offset;
    t->numel = source->numel;
    t->dtype = source->dtype;
    t->contiguous = source->contiguous;
    t->sizes = source->sizes;
    t->strides = source->strides;
    return 0;
  });
}
PyObject* get_transposed(Self self, void*) {
  return read(self, [](const Tensor& t) {
    Dims order;
    for (int d = t.ndim(); d-- > 0;) order.push_back(d);
    return wrap(ops::permute(t, order));
  });
}
PyObject* get_matrix_transposed(Self self, void*) {
  return read(self, [](const Tensor& t) {
    if (t.ndim() < 2) fail("mT: needs at least 2 dimensions, got shape ", to_string(t.sizes()));
    return wrap(ops::mT(t));
  });
}
PyObject* get_base(Self self, void*) {
  return read(self, [](const Tensor& t) { return wrap(Tensor(t->base)); });
}

PyGetSetDef properties[] = {
    {"shape", get_shape, nullptr, "The sizes of all dimensions, as unspool.Size.", nullptr},
    {"dtype", get_dtype, nullptr, "The type of the elements.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of dimensions.", nullptr},
    {"device", get_device, nullptr, "Where the elements are stored.", nullptr},
    {"is_cuda", get_is_cuda, nullptr, "Whether the elements are on a CUDA device.", nullptr},
    {"is_xpu", get_is_cuda, nullptr, "False: this device kind is not supported.", nullptr},
    {"is_mps", get_is_cuda, nullptr, "False: this device kind is not supported.", nullptr},
    {"is_sparse", get_is_sparse, nullptr, "False: tensors are dense.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"_version", get_version, nullptr, "How often the storage was changed in place.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether gradients flow to this tensor.",
     nullptr},
    {"grad", get_grad, set_grad, "The accumulated gradient, or None.", nullptr},
    {"_grad", get_present_grad, set_grad, "The same; None also where backward(step=...) has used it up.",
     nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Whether no recorded operation made this tensor.", nullptr},
    {"retains_grad", get_retains_grad, nullptr, "Whether retain_grad() was called.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The tape node that made this tensor, or None.", nullptr},
    {"data", get_data, set_data,
     "The same elements without history; the tape does not notice what is written through it.", nullptr},
    {"T", get_transposed, nullptr, "A view with all dimensions reversed.", nullptr},
    {"mT", get_matrix_transposed, nullptr, "A view with the last two dimensions swapped.", nullptr},
    {"_base", get_base, nullptr, "The tensor whose storage this view shows, or None.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// --- methods
// ---------------------------------------------------------------------------------------------------------

// The one argument that a method may be given, by place or by name; null where it was not.
PyObject* only_argument(const char* method, const char* name, PyObject* const* args, Py_ssize_t count,
                        PyObject* names) {
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  if (count + named > 1) fail(ErrorKind::kType, method, "(): takes at most one argument, ", name);
  if (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) != 0)
    fail(ErrorKind::kType, method, "(): unknown keyword argument; the only one is ", name);
  return count + named ? args[0] : nullptr;
}

// The dimension that size() and stride() may be asked for.
std::optional<int> only_dimension(const Tensor& t, const char* method, PyObject* const* args,
                                  Py_ssize_t count, PyObject* names) {
  PyObject* given = only_argument(method, "dim", args, count, names);
  if (!given || given == Py_None) return std::nullopt;
  const auto dim = as_integer(given);
  if (!dim) fail(ErrorKind::kType, method, "(): argument 'dim' must be int, not ", Py_TYPE(given)->tp_name);
  if (t.ndim() == 0) fail(ErrorKind::kIndex, method, ": a 0-d tensor has no dimension ", *dim);
  return normalize_dim(*dim, t.ndim(), method);
}

PyObject* size(Self self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return read(self, [&](const Tensor& t) -> PyObject* {
    const auto dim = only_dimension(t, "size", args, count, names);
    return dim ? PyLong_FromLongLong(t.size(*dim)) : wrap_size(t.sizes());
  });
}

PyObject* stride(Self self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return read(self, [&](const Tensor& t) -> PyObject* {
    if (const auto dim = only_dimension(t, "stride", args, count, names)) {
      return PyLong_FromLongLong(t.strides()[static_cast<std::size_t>(*dim)]);
    }
    Owned tuple(checked(PyTuple_New(t.ndim())));
    for (int d = 0; d < t.ndim(); ++d) {
      PyTuple_SET_ITEM(tuple.get(), d, PyLong_FromLongLong(t.strides()[static_cast<std::size_t>(d)]));
    }
    return tuple.release();
  });
}

PyObject* storage_offset(Self self, PyObject*) { return PyLong_FromLongLong(tensor_of(self)->offset); }
PyObject* element_size(Self self, PyObject*) { return get_itemsize(self, nullptr); }
PyObject* count_elements(Self self, PyObject*) { return PyLong_FromLongLong(tensor_of(self).numel()); }
PyObject* dimensions(Self self, PyObject*) { return PyLong_FromLong(tensor_of(self).ndim()); }
PyObject* data_pointer(Self self, PyObject*) {
  return read(self, [](const Tensor& t) {
    ops::before_host_read(t, "data_ptr");
    return PyLong_FromVoidPtr(t.numel() ? t.data() : nullptr);
  });
}
// Whether channels vary fastest, as PyTorch's formats channels_last and channels_last_3d mean it.
bool has_channels_last(const Tensor& t) {
  std::int64_t expected = 1;
  for (int i = 0; i < t.ndim(); ++i) {
    const int d = i == 0 ? 1 : i == t.ndim() - 1 ? 0 : t.ndim() - i;
    if (t.size(d) != 1 && t.strides()[static_cast<std::size_t>(d)] != expected) return false;
    expected *= t.size(d);
  }
  return true;
}

PyObject* is_contiguous(Self self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return read(self, [&](const Tensor& t) -> PyObject* {
    PyObject* wanted = only_argument("is_contiguous", "memory_format", args, count, names);
    if (!wanted) return PyBool_FromLong(t.is_contiguous());
    const Owned text(checked(PyObject_Str(wanted)));
    const auto is = [&](const char* format) { return !PyUnicode_CompareWithASCIIString(text.get(), format); };
    const int dimensions = is("unspool.channels_last") ? 4 : is("unspool.channels_last_3d") ? 5 : 0;
    if (!dimensions) return PyBool_FromLong(t.is_contiguous());
    return PyBool_FromLong(t.ndim() == dimensions && has_channels_last(t));
  });
}
PyObject* is_floating_point(Self self, PyObject*) {
  return PyBool_FromLong(is_floating(tensor_of(self).dtype()));
}
PyObject* is_complex(Self, PyObject*) { Py_RETURN_FALSE; }
PyObject* item(Self self, PyObject*) {
  return read(self, [](const Tensor& t) { return checked(item_of(t)); });
}
PyObject* detach(Self self, PyObject*) {
  return read(self, [](const Tensor& t) { return wrap_like(t, detached(t)); });
}
PyObject* detach_in_place(Self self, PyObject*) {
  return read(self, [&](const Tensor& t) {
    if (t->base && t->base->requires_grad)
      fail("detach_: a view of a tensor with history cannot be detached in place; use detach()");
    t->base = nullptr;
    t->node = nullptr;
    t->requires_grad = false;
    return Py_NewRef(self);
  });
}

PyObject* requires_grad_in_place(Self self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return read(self, [&](const Tensor& t) {
    PyObject* wanted = only_argument("requires_grad_", "requires_grad", args, count, names);
    if (wanted && !PyBool_Check(wanted))
      fail(ErrorKind::kType, "requires_grad_(): requires_grad must be bool, not ", Py_TYPE(wanted)->tp_name);
    require_grad(t, !wanted || wanted == Py_True);
    return Py_NewRef(self);
  });
}
PyObject* retain_grad(Self self, PyObject*) {
  return read(self, [](const Tensor& t) {
    exec::retain_grad(t);
    return Py_NewRef(Py_None);
  });
}

PyObject* make_subclass(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *type = nullptr, *data = nullptr;
    int requires_grad = 0;
    if (!PyArg_ParseTuple(args, "OO|p:_make_subclass", &type, &data, &requires_grad)) return nullptr;
    if (!PyType_Check(type) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), tensor_type)) {
      fail(ErrorKind::kType, "_make_subclass: the first argument must be a subclass of Tensor");
    }
    if (!is_tensor(data))
      fail(ErrorKind::kType, "_make_subclass: expected a Tensor, not ", Py_TYPE(data)->tp_name);
    Tensor result = detached(tensor_of(data));
    require_grad(result, requires_grad != 0);
    return wrap_as(reinterpret_cast<PyTypeObject*>(type), std::move(result));
  });
}

// Exchanges what two Python objects stand for: how an operation that gives a view changes a tensor's shape in
// place, with the history that the view has.
PyObject* swap_with(Self self, PyObject* other) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(other)) fail(ErrorKind::kType, "_swap: expected a Tensor, not ", Py_TYPE(other)->tp_name);
    auto *ours = reinterpret_cast<PyTensor*>(self), *theirs = reinterpret_cast<PyTensor*>(other);
    std::swap(ours->tensor, theirs->tensor);
    ours->tensor->python = self;
    theirs->tensor->python = other;
    return Py_NewRef(Py_None);
  });
}

template <class F>
PyCFunction fast(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef methods[] = {
    {"size", fast(size), METH_FASTCALL | METH_KEYWORDS, "size(dim=None): the shape, or one of its sizes."},
    {"stride", fast(stride), METH_FASTCALL | METH_KEYWORDS,
     "stride(dim=None): steps between neighbours, in elements."},
    {"storage_offset", storage_offset, METH_NOARGS, "The first element's place in the storage, in elements."},
    {"element_size", element_size, METH_NOARGS, "Bytes per element."},
    {"numel", count_elements, METH_NOARGS, "The number of elements."},
    {"nelement", count_elements, METH_NOARGS, "The number of elements."},
    {"dim", dimensions, METH_NOARGS, "The number of dimensions."},
    {"ndimension", dimensions, METH_NOARGS, "The number of dimensions."},
    {"data_ptr", data_pointer, METH_NOARGS, "The address of the first element."},
    {"is_contiguous", fast(is_contiguous), METH_FASTCALL | METH_KEYWORDS,
     "is_contiguous(memory_format=None): whether the layout is row-major without gaps, or as the format "
     "asks."},
    {"is_floating_point", is_floating_point, METH_NOARGS, "Whether the dtype is a floating one."},
    {"is_complex", is_complex, METH_NOARGS, "False: complex numbers are not supported."},
    {"item", item, METH_NOARGS, "The value of the only element, as a Python number."},
    {"detach", detach, METH_NOARGS, "The same elements without history."},
    {"detach_", detach_in_place, METH_NOARGS, "Makes this tensor a leaf."},
    {"requires_grad_", fast(requires_grad_in_place), METH_FASTCALL | METH_KEYWORDS,
     "requires_grad_(requires_grad=True): sets requires_grad and returns the tensor."},
    {"retain_grad", retain_grad, METH_NOARGS, "Keeps .grad of a tensor that is not a leaf."},
    {"_make_subclass", make_subclass, METH_VARARGS | METH_STATIC,
     "_make_subclass(cls, data, requires_grad=False): an instance of a subclass over data's storage."},
    {"as_subclass", as_subclass, METH_O,
     "as_subclass(cls): the same elements and history as an instance of a class derived from Tensor."},
    {"_swap", swap_with, METH_O, "_swap(other): exchanges the two objects' tensors."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyGetSetDef* tensor_properties() { return properties; }
PyMethodDef* tensor_methods() { return methods; }

Tensor construct_legacy(PyObject* args, PyObject* kwargs) {
  const Py_ssize_t keywords = kwargs ? PyDict_GET_SIZE(kwargs) : 0;
  PyObject* device = keywords ? PyDict_GetItemString(kwargs, "device") : nullptr;
  if (device) (void)device_of_object(device);
  if (keywords > (device ? 1 : 0)) {
    fail(ErrorKind::kType, "Tensor(): takes no keywords but 'device'; use unspool.tensor(data, dtype=...)");
  }
  const Py_ssize_t count = PyTuple_GET_SIZE(args);
  Dims sizes;
  bool are_sizes = true;
  for (Py_ssize_t i = 0; i < count && are_sizes; ++i) {
    PyObject* value = PyTuple_GET_ITEM(args, i);
    const auto size = is_tensor(value) ? std::nullopt : as_integer(value);
    are_sizes = size.has_value();
    if (are_sizes) sizes.push_back(*size);
  }
  if (are_sizes) return new_empty(count ? sizes : Dims{0}, default_dtype());
  if (count != 1) fail(ErrorKind::kType, "Tensor(): takes sizes, or one sequence, array or tensor");
  PyObject* data = PyTuple_GET_ITEM(args, 0);
  if (is_tensor(data)) return detached(tensor_of(data));
  if (is_size(data)) {  // a shape, unlike other sequences of numbers
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(data); ++i) {
      const auto size = as_integer(PyTuple_GET_ITEM(data, i));
      if (!size) fail(ErrorKind::kType, "Tensor(): the sizes must be integers");
      sizes.push_back(*size);
    }
    return new_empty(sizes, default_dtype());
  }
  return tensor_from_data(data, default_dtype());
}

}  // namespace unspool::bind
