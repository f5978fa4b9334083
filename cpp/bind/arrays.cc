// Memory shared with NumPy and, by the DLPack protocol, with any other array library: no copies either way.
#include <pybind11/numpy.h>

#include <cstdint>

#include "bind/bits.h"
#include "bind/caster.h"
#include "bind/create.h"
#include "bind/step_constants.h"
#include "bind/topics.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

std::optional<Dtype> dtype_of_array(const py::dtype& dtype) {
  switch (dtype.kind()) {
    case 'b':
      return Dtype::kBool;
    case 'f':
      if (dtype.itemsize() == 2) return Dtype::kFloat16;
      if (dtype.itemsize() == 4) return Dtype::kFloat32;
      if (dtype.itemsize() == 8) return Dtype::kFloat64;
      return std::nullopt;
    case 'i':
      if (dtype.itemsize() == 1) return Dtype::kInt8;
      if (dtype.itemsize() == 2) return Dtype::kInt16;
      if (dtype.itemsize() == 4) return Dtype::kInt32;
      if (dtype.itemsize() == 8) return Dtype::kInt64;
      return std::nullopt;
    case 'u':
      return dtype.itemsize() == 1 ? std::optional(Dtype::kUInt8) : std::nullopt;
    default:
      return std::nullopt;
  }
}

py::dtype array_dtype(Dtype dtype) {
  if (dtype == Dtype::kBFloat16) {
    fail(ErrorKind::kType, "NumPy has no bfloat16; convert with float() first");
  }
  return py::dtype(std::string(name(dtype)));
}

void drop_object(void* owner) {
  if (is_finalizing()) return;
  const WithGil gil;
  Py_DECREF(static_cast<PyObject*>(owner));
}

Tensor over(const char* who, void* first, Dims sizes, Dims strides, Dtype dtype, bool writable, void* owner,
            Storage::Deleter deleter) {
  std::int64_t reach = numel(sizes) ? 1 : 0;
  for (std::size_t d = 0; d < sizes.size() && reach; ++d) reach += (sizes[d] - 1) * strides[d];
  auto storage =
      Storage::borrow(first, static_cast<std::size_t>(reach) * size_of(dtype), writable, owner, deleter);
  Tensor tensor(
      Ref<TensorImpl>(new TensorImpl(dtype, std::move(sizes), std::move(strides), std::move(storage), 0)));
  expect_truth_values(tensor, who);
  return tensor;
}

Tensor from_numpy(py::handle object) {
  if (!py::isinstance<py::array>(object)) {
    fail(ErrorKind::kType, "from_numpy: expected a NumPy array, not ", Py_TYPE(object.ptr())->tp_name);
  }
  Tensor tensor = share_array(object.ptr());
  captured_shared(object.ptr(), tensor);
  return tensor;
}

// For arrays over a tensor's memory: keeps the storage alive, not the tensor, whose history may go.
py::capsule owner_of(const Tensor& tensor) {
  return py::capsule(new Ref<Storage>(tensor->storage),
                     [](void* held) { delete static_cast<Ref<Storage>*>(held); });
}

py::array to_numpy(const Tensor& tensor, bool force) {
  if (tensor.requires_grad() && !force && ops::thread_state().grad_enabled) {
    fail(
        "numpy: the tensor requires grad, and NumPy would lose its history; call detach().numpy(), or "
        "numpy(force=True)");
  }
  if (tensor.requires_grad() && !force) {
    fail("numpy: the tensor requires grad; call detach().numpy(), or numpy(force=True)");
  }
  ops::before_host_read(tensor, "numpy");
  const auto item = static_cast<py::ssize_t>(size_of(tensor.dtype()));
  std::vector<py::ssize_t> sizes(tensor.sizes().begin(), tensor.sizes().end()), strides;
  for (std::int64_t stride : tensor.strides()) strides.push_back(stride * item);
  py::array array(array_dtype(tensor.dtype()), sizes, strides, tensor.data(), owner_of(tensor));
  if (!tensor->storage->writable()) array.attr("flags").attr("writeable") = false;
  return array;
}

// --- Plain memory, for files
// ----------------------------------------------

// Bytes of the whole storage, which live as long as somebody looks at them.
py::memoryview storage_memory(const Tensor& tensor) {
  ops::before_host_read(tensor, "save");
  const Storage& storage = *tensor->storage;
  py::array_t<std::uint8_t> bytes(static_cast<py::ssize_t>(storage.bytes()),
                                  static_cast<const std::uint8_t*>(storage.data()), owner_of(tensor));
  if (!storage.writable()) bytes.attr("flags").attr("writeable") = false;
  return py::memoryview(bytes);
}

// The memoryview keeps the memory in place as long as there is a tensor over it.
Tensor over_memory(const py::memoryview& memory, std::int64_t offset, std::int64_t count, Dtype dtype) {
  const Py_buffer& buffer = *PyMemoryView_GET_BUFFER(memory.ptr());
  const auto item = static_cast<std::int64_t>(size_of(dtype));
  if (buffer.itemsize != 1 || !PyBuffer_IsContiguous(&buffer, 'C')) {
    fail(ErrorKind::kValue, "_over_memory: expected contiguous bytes");
  }
  if (offset < 0 || count < 0 || offset > buffer.len || count > (buffer.len - offset) / item) {
    fail(ErrorKind::kValue, "_over_memory: ", count, " elements from byte ", offset, " on do not fit into ",
         static_cast<std::int64_t>(buffer.len), " bytes");
  }
  std::byte* first = static_cast<std::byte*>(buffer.buf) + offset;
  if (reinterpret_cast<std::uintptr_t>(first) % size_of(dtype)) {
    fail(ErrorKind::kValue, "_over_memory: byte ", offset, " is not aligned to the elements");
  }
  return over("_over_memory", first, Dims{count}, Dims{1}, dtype, !buffer.readonly, memory.inc_ref().ptr(),
              drop_object);
}

// --- DLPack (version 0, and version 1 where the other side asks for it)
// ----------------------------------------------

struct DlTensor {
  void* data;
  struct {
    std::int32_t type, id;
  } device;
  std::int32_t ndim;
  struct {
    std::uint8_t code, bits;
    std::uint16_t lanes;
  } dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

struct DlManaged {
  DlTensor tensor;
  void* context;
  void (*deleter)(DlManaged*);
};

struct DlManagedVersioned {
  struct {
    std::uint32_t major, minor;
  } version;
  void* context;
  void (*deleter)(DlManagedVersioned*);
  std::uint64_t flags;
  DlTensor tensor;
};

constexpr std::int32_t kDlCpu = 1;
constexpr std::uint64_t kDlReadOnly = 1;
enum DlCode : std::uint8_t { kDlInt = 0, kDlUInt = 1, kDlFloat = 2, kDlBfloat = 4, kDlBool = 6 };

struct Exported {
  Tensor tensor;
  DlManaged managed;
  DlManagedVersioned versioned;
};

DlTensor describe(const Tensor& tensor) {
  DlTensor dl{};
  ops::before_host_read(tensor, "dlpack");
  dl.data = tensor.data();
  dl.device = {kDlCpu, 0};
  dl.ndim = tensor.ndim();
  const DlCode code = tensor.dtype() == Dtype::kBool       ? kDlBool
                      : tensor.dtype() == Dtype::kBFloat16 ? kDlBfloat
                      : is_floating(tensor.dtype())        ? kDlFloat
                      : tensor.dtype() == Dtype::kUInt8    ? kDlUInt
                                                           : kDlInt;
  dl.dtype = {code, static_cast<std::uint8_t>(8 * size_of(tensor.dtype())), 1};
  dl.shape = tensor->sizes.data();
  dl.strides = tensor->strides.data();
  return dl;
}

py::capsule export_dlpack(const Tensor& tensor, py::handle max_version, py::handle copy) {
  if (tensor.requires_grad())
    fail(ErrorKind::kValue, "__dlpack__: the tensor requires grad; export detach() instead");
  const bool wants_copy = !copy.is_none() && copy.cast<bool>();
  auto* exported = new Exported{wants_copy ? ops::clone(tensor) : tensor.alias(), {}, {}};
  const bool versioned = !max_version.is_none() && max_version.cast<py::tuple>()[0].cast<int>() >= 1;
  if (!versioned) {
    if (!tensor->storage->writable()) {
      delete exported;
      fail(ErrorKind::kValue, "__dlpack__: read-only memory needs a reader of DLPack 1; clone() it first");
    }
    exported->managed = {describe(exported->tensor), exported,
                         [](DlManaged* self) { delete static_cast<Exported*>(self->context); }};
    return py::capsule(&exported->managed, "dltensor", [](PyObject* capsule) {
      // A reader renames the capsule and then owns the tensor.
      if (!PyCapsule_IsValid(capsule, "dltensor")) return;
      auto* managed = static_cast<DlManaged*>(PyCapsule_GetPointer(capsule, "dltensor"));
      managed->deleter(managed);
    });
  }
  exported->versioned = {{1, 0},
                         exported,
                         [](DlManagedVersioned* self) { delete static_cast<Exported*>(self->context); },
                         tensor->storage->writable() ? 0 : kDlReadOnly,
                         describe(exported->tensor)};
  return py::capsule(&exported->versioned, "dltensor_versioned", [](PyObject* capsule) {
    if (!PyCapsule_IsValid(capsule, "dltensor_versioned")) return;
    auto* managed = static_cast<DlManagedVersioned*>(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    managed->deleter(managed);
  });
}

Dtype dtype_of_dlpack(const DlTensor& dl) {
  if (dl.dtype.lanes == 1) {
    const int bits = dl.dtype.bits;
    if (dl.dtype.code == kDlBfloat && bits == 16) return Dtype::kBFloat16;
    if (dl.dtype.code == kDlFloat && bits == 16) return Dtype::kFloat16;
    if (dl.dtype.code == kDlInt && bits == 8) return Dtype::kInt8;
    if (dl.dtype.code == kDlInt && bits == 16) return Dtype::kInt16;
    if (dl.dtype.code == kDlFloat && bits == 32) return Dtype::kFloat32;
    if (dl.dtype.code == kDlFloat && bits == 64) return Dtype::kFloat64;
    if (dl.dtype.code == kDlInt && bits == 64) return Dtype::kInt64;
    if (dl.dtype.code == kDlInt && bits == 32) return Dtype::kInt32;
    if (dl.dtype.code == kDlUInt && bits == 8) return Dtype::kUInt8;
    if (dl.dtype.code == kDlBool && bits == 8) return Dtype::kBool;
  }
  fail(ErrorKind::kType, "from_dlpack: elements of DLPack type code ", static_cast<int>(dl.dtype.code),
       " with ", static_cast<int>(dl.dtype.bits), " bits are not supported");
}

template <class Managed>
Tensor import_managed(py::handle capsule, const char* name, const char* used_name, bool writable) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!managed) throw py::error_already_set();
  const DlTensor& dl = managed->tensor;
  if (dl.device.type != kDlCpu) fail("from_dlpack: the data is not in CPU memory");
  const Dtype dtype = dtype_of_dlpack(dl);
  Dims sizes(dl.shape, dl.shape + dl.ndim);
  Dims strides = dl.strides ? Dims(dl.strides, dl.strides + dl.ndim) : contiguous_strides(sizes);
  for (std::int64_t stride : strides) {
    if (stride < 0) fail("from_dlpack: negative strides are not supported; copy the array first");
  }
  if (PyCapsule_SetName(capsule.ptr(), used_name) < 0) throw py::error_already_set();
  return over("from_dlpack", static_cast<std::byte*>(dl.data) + dl.byte_offset, std::move(sizes),
              std::move(strides), dtype, writable, managed, [](void* owner) {
                auto* self = static_cast<Managed*>(owner);
                if (self->deleter) self->deleter(self);
              });
}

Tensor from_dlpack(py::object source) {
  if (py::hasattr(source, "__dlpack__")) {
    try {
      source = source.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
    } catch (py::error_already_set& error) {
      // Producers of version 0 do not know the argument.
      if (!error.matches(PyExc_TypeError)) throw;
      source = source.attr("__dlpack__")();
    }
  }
  if (PyCapsule_IsValid(source.ptr(), "dltensor_versioned")) {
    auto* managed =
        static_cast<DlManagedVersioned*>(PyCapsule_GetPointer(source.ptr(), "dltensor_versioned"));
    if (managed->version.major != 1)
      fail("from_dlpack: DLPack version ", managed->version.major, " is not supported");
    return import_managed<DlManagedVersioned>(source, "dltensor_versioned", "used_dltensor_versioned",
                                              !(managed->flags & kDlReadOnly));
  }
  if (PyCapsule_IsValid(source.ptr(), "dltensor")) {
    return import_managed<DlManaged>(source, "dltensor", "used_dltensor", true);
  }
  fail(ErrorKind::kType, "from_dlpack: expected an object with __dlpack__ or an unused capsule, not ",
       Py_TYPE(source.ptr())->tp_name);
}

}  // namespace

bool is_array(PyObject* object) { return py::isinstance<py::array>(object); }

Tensor share_array(PyObject* object) {
  if (!is_array(object)) return {};
  const auto array = py::reinterpret_borrow<py::array>(object);
  const auto dtype = dtype_of_array(array.dtype());
  if (!dtype || !array.dtype().attr("isnative").cast<bool>()) {
    fail(ErrorKind::kType, "from_numpy: arrays of ", py::str(array.dtype()).cast<std::string>(),
         " are not supported; convert with astype() to bool, uint8, int8, int16, int32, int64, float16, "
         "float32 or float64");
  }
  const auto item = static_cast<py::ssize_t>(size_of(*dtype));
  Dims sizes, strides;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    sizes.push_back(array.shape(d));
    const py::ssize_t bytes = array.strides(d);
    if (bytes < 0)
      fail(ErrorKind::kValue, "from_numpy: negative strides are not supported; copy the array first");
    if (bytes % item)
      fail(ErrorKind::kValue,
           "from_numpy: strides that are no multiple of the element size are not supported");
    strides.push_back(bytes / item);
  }
  if (array.size() > 0 && reinterpret_cast<std::uintptr_t>(array.data()) % size_of(*dtype)) {
    fail(ErrorKind::kValue, "from_numpy: the array is not aligned to its elements; copy it first");
  }
  Py_INCREF(object);
  return over("from_numpy", const_cast<void*>(array.data()), std::move(sizes), std::move(strides), *dtype,
              array.writeable(), object, drop_object);
}

void bind_arrays(py::module_& core) {
  core.def("_storage_memory", &storage_memory, py::arg("tensor"));
  core.def("_over_memory", &over_memory, py::arg("memory"), py::arg("offset"), py::arg("count"),
           py::arg("dtype"));
  core.def("from_numpy", &from_numpy, py::arg("ndarray"), "A tensor that shares the array's memory.");
  core.def("from_dlpack", &from_dlpack, py::arg("ext_tensor"),
           "A tensor that shares another library's memory, by DLPack.");
  const py::handle type(reinterpret_cast<PyObject*>(tensor_type));
  const auto method = [&](const char* name, auto&& function, auto&&... extra) {
    py::setattr(type, name, py::cpp_function(function, py::name(name), py::is_method(type), extra...));
  };
  method("numpy", &to_numpy, py::kw_only(), py::arg("force") = false,
         "A NumPy array that shares this tensor's memory.");
  method(
      "__array__",
      [](const Tensor& self, const py::object& dtype, const py::object& copy) {
        const py::array array = to_numpy(self, false);
        if (dtype.is_none() && copy.is_none()) return py::object(array);
        if (dtype.is_none()) return copy.cast<bool>() ? py::object(array.attr("copy")()) : py::object(array);
        return py::object(
            array.attr("astype")(dtype, py::arg("copy") = copy.is_none() ? false : copy.cast<bool>()));
      },
      py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  method(
      "__dlpack__",
      [](const Tensor& self, py::handle, py::handle max_version, py::handle, py::handle copy) {
        return export_dlpack(self, max_version, copy);
      },
      py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
      py::arg("dl_device") = py::none(), py::arg("copy") = py::none());
  method("__dlpack_device__", [](const Tensor&) { return py::make_tuple(kDlCpu, 0); });
}

}  // namespace unspool::bind
