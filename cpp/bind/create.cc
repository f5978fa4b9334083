// Factories of constants and ranges, and tensors from nested Python data.
#include "bind/create.h"

#include <pybind11/stl.h>

#include <cmath>
#include <string>

#include "bind/caster.h"
#include "bind/device.h"
#include "bind/factory.h"
#include "bind/step_constants.h"
#include "bind/topics.h"
#include "exec/program/trace.h"
#include "ops/api.h"
#include "ops/creation.h"
#include "ops/fitting.h"
#include "ops/one_dtype.h"
#include "ops/shape.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

// --- nested data
// -----------------------------------------------------------------------------------------------------

bool is_sequence(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }

bool has_array(PyObject* object) {
  return PyObject_HasAttrString(object, "__array_interface__") == 1 ||
         PyObject_HasAttrString(object, "__array__") == 1;
}

// A sequence that is neither a list nor a tuple: a range, a deque, an array, an object of a class that
// indexes.
bool is_other_sequence(PyObject* object) {
  return PySequence_Check(object) && !is_sequence(object) && !is_tensor(object) && !PyUnicode_Check(object) &&
         !PyBytes_Check(object) && !number_operand(object);
}

constexpr std::size_t kMaxNesting = 64;

void check_nesting(std::size_t depth) {
  if (depth > kMaxNesting)
    fail(ErrorKind::kValue, "tensor(): data is nested deeper than ", kMaxNesting, " levels");
}

// The data with each sequence as a list.
Owned as_lists(PyObject* object, std::size_t depth = 0) {
  check_nesting(depth);
  if (!is_sequence(object) && !is_other_sequence(object)) return Owned(Py_NewRef(object));
  Owned list(checked(PySequence_List(object)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
    Owned item = as_lists(PyList_GET_ITEM(list.get(), i), depth + 1);
    PyList_SetItem(list.get(), i, item.release());
  }
  return list;
}

// What the nested data holds, found by one walk.
struct Survey {
  Dims sizes;
  Category category = Category::kBool;
  std::optional<Dtype> tensors;      // the dtype that tensor elements promote to
  bool has_other_sequences = false;  // then the rest is not filled in
};

void note(Survey& survey, PyObject* leaf) {
  if (is_tensor(leaf)) {
    const Dtype dtype = tensor_of(leaf).dtype();
    survey.tensors = survey.tensors ? promote(*survey.tensors, dtype) : dtype;
    return;
  }
  const auto number = number_operand(leaf);
  if (!number) {
    if ((survey.has_other_sequences = is_other_sequence(leaf))) return;
    fail(ErrorKind::kType, "tensor(): elements must be numbers or sequences of them, not ",
         Py_TYPE(leaf)->tp_name);
  }
  survey.category = std::max(survey.category, number->category());
}

void walk(PyObject* object, std::size_t depth, Survey& survey) {
  check_nesting(depth);
  if (survey.has_other_sequences) return;
  if (!is_sequence(object)) {
    if (depth != survey.sizes.size()) {
      if ((survey.has_other_sequences = is_other_sequence(object))) return;
      fail(ErrorKind::kValue, "tensor(): expected a sequence of length ", survey.sizes[depth],
           " at nesting depth ", depth, ", got a ", Py_TYPE(object)->tp_name);
    }
    note(survey, object);
    return;
  }
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  if (depth >= survey.sizes.size() || survey.sizes[depth] != count) {
    fail(ErrorKind::kValue, "tensor(): the data is ragged: a sequence of length ", count,
         " at nesting depth ", depth, " where others differ");
  }
  for (Py_ssize_t i = 0; i < count; ++i) walk(PySequence_Fast_GET_ITEM(object, i), depth + 1, survey);
}

// Whether the integer dtype has the value.
bool holds(Dtype dtype, std::int64_t value) {
  if (dtype == Dtype::kUInt8) return value >= 0 && value <= 255;
  const auto bits = static_cast<int>(8 * size_of(dtype));
  return bits == 64 || (value >= -(std::int64_t{1} << (bits - 1)) && value < std::int64_t{1} << (bits - 1));
}

// Writes the elements, in the carrier of `dtype`.
void fill(PyObject* object, Dtype dtype, std::byte*& place) {
  if (is_sequence(object)) {
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
    for (Py_ssize_t i = 0; i < count; ++i) fill(PySequence_Fast_GET_ITEM(object, i), dtype, place);
    return;
  }
  Owned item;
  if (is_tensor(object)) item = Owned(checked(item_of(tensor_of(object))));
  const auto number = *number_operand(item ? item.get() : object);
  visit_dtype(carrier(dtype), [&]<class T>(T) {
    T value;
    if (number.kind() == ops::Operand::Kind::kFloat) {
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if (!ops::fits(number, dtype))
          fail("tensor(): ", number.number(), " does not fit into ", name(dtype));
      }
      value = static_cast<T>(number.number());
    } else {
      value = static_cast<T>(number.integer());
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if (!holds(dtype, number.integer()))
          fail("tensor(): ", number.integer(), " does not fit into ", name(dtype));
      }
    }
    std::memcpy(place, &value, sizeof(T));
    place += sizeof(T);
  });
}

// A copy of the array's values, which is no part of a step that is being captured.
Tensor copy_of_array(const Tensor& shared, std::optional<Dtype> dtype) {
  const auto copy = [&] {
    return dtype && *dtype != shared.dtype() ? ops::to(shared, *dtype) : ops::clone(shared);
  };
  if (!exec::Trace::current()) return copy();
  const ops::WithDefaultEmitter beside_the_step;
  return copy();
}

Tensor from_sequence(PyObject* data, std::optional<Dtype> dtype) {
  // A list of arrays is one array.
  Survey survey;
  PyObject* probe = data;
  while (is_sequence(probe)) {
    survey.sizes.push_back(PySequence_Fast_GET_SIZE(probe));
    if (survey.sizes.back() == 0 || survey.sizes.size() > kMaxNesting) break;
    probe = PySequence_Fast_GET_ITEM(probe, 0);
  }
  const bool holds_arrays = !is_sequence(probe) && !is_tensor(probe) && has_array(probe);
  if (holds_arrays) {
    return new_from_data(py::module_::import("numpy").attr("asarray")(py::handle(data)).ptr(), dtype);
  }
  walk(data, 0, survey);
  if (survey.has_other_sequences) return from_sequence(as_lists(data).get(), dtype);
  Dtype type;
  if (dtype)
    type = *dtype;
  else if (numel(survey.sizes) == 0 || survey.category == Category::kFloating)
    type = default_dtype();
  else
    type = survey.category == Category::kInteger ? Dtype::kInt64 : Dtype::kBool;
  if (!dtype && survey.tensors) {
    type = survey.category > category(*survey.tensors) ? type : *survey.tensors;
  }
  Tensor result = Tensor::empty(survey.sizes, carrier(type));
  auto* place = static_cast<std::byte*>(result.data());
  fill(data, type, place);
  if (is_narrow(type)) {
    const ops::GradMode no_grad(false);
    result = ops::to(result, type);
  }
  return result;
}

// --- factories
// -------------------------------------------------------------------------------------------------------

Tensor constant(DimSpan sizes, const ops::Attr& value, Dtype dtype) {
  checked_numel(sizes, "size");
  return ops::full(sizes, value, dtype);
}

ops::Attr attr_of(const ops::Operand& number) {
  if (number.kind() == ops::Operand::Kind::kFloat) return ops::Attr(number.number());
  return number.kind() == ops::Operand::Kind::kBool ? ops::Attr(number.integer() != 0)
                                                    : ops::Attr(number.integer());
}

ops::Operand need_number(py::handle object, const char* who, const char* argument) {
  if (is_tensor(object.ptr()) && tensor_of(object.ptr()).numel() == 1) {
    Owned item(checked(item_of(tensor_of(object.ptr()))));
    return *number_operand(item.get());
  }
  const auto number = number_operand(object.ptr());
  if (!number) {
    fail(ErrorKind::kType, who, "(): argument '", argument, "' must be a number, not ",
         Py_TYPE(object.ptr())->tp_name);
  }
  return *number;
}

Dtype dtype_of_number(const ops::Operand& number) {
  switch (number.category()) {
    case Category::kBool:
      return Dtype::kBool;
    case Category::kInteger:
      return Dtype::kInt64;
    default:
      return default_dtype();
  }
}

// zeros, ones and empty share their arguments.
template <class F>
py::cpp_function sized_factory(py::module_& core, const char* who, const char* doc, F make) {
  return py::cpp_function(
      [who, make](const py::args& args, py::kwargs kwargs) {
        const Dims sizes = read_sizes(args, kwargs, who);
        const TensorOptions options = read_options(kwargs, who, true);
        checked_numel(sizes, who);
        return finish(make(sizes, options.dtype.value_or(default_dtype())), options);
      },
      py::name(who), py::scope(core), py::doc(doc));
}

template <class F>
py::cpp_function like_factory(py::module_& core, const char* who, const char* doc, F make) {
  return py::cpp_function(
      [who, make](const Tensor& input, const py::kwargs& kwargs) {
        const TensorOptions options = read_options(kwargs, who);
        return like(input, finish(make(input.sizes(), options.dtype.value_or(input.dtype())), options));
      },
      py::name(who), py::scope(core), py::arg("input"), py::doc(doc));
}

Tensor arange(const py::args& args, py::kwargs kwargs) {
  const char* who = "arange";
  py::object start = take_argument(kwargs, "start"), end = take_argument(kwargs, "end"),
             step = take_argument(kwargs, "step");
  const TensorOptions options = read_options(kwargs, who, true);
  const auto given = args.size();
  if (given == 1 && !end)
    end = args[0];
  else if (given >= 1)
    start = args[0];
  if (given >= 2) end = args[1];
  if (given >= 3) step = args[2];
  if (given > 3 || !end)
    fail(ErrorKind::kType, "arange(): takes arange(end), arange(start, end) or arange(start, end, step)");
  const ops::Operand first = start ? need_number(start, who, "start") : ops::Operand(0);
  const ops::Operand last = need_number(end, who, "end");
  const ops::Operand by = step ? need_number(step, who, "step") : ops::Operand(1);
  const bool integers = first.category() <= Category::kInteger && last.category() <= Category::kInteger &&
                        by.category() <= Category::kInteger;
  const Dtype dtype = options.dtype.value_or(integers ? Dtype::kInt64 : default_dtype());
  double a = first.number(), b = last.number(), s = by.number();
  if (dtype == Dtype::kInt64) a = std::trunc(a), b = std::trunc(b), s = std::trunc(s);
  if (s == 0 && by.number() != 0)
    fail(ErrorKind::kValue, "arange: step ", by.number(), " is 0 in ", name(dtype));
  if (s == 0) fail("arange: step must not be 0");
  if (!std::isfinite(a) || !std::isfinite(b) || std::isnan(s))
    fail("arange: start ", a, " and end ", b, " must be finite");
  if ((s > 0) != (b > a) && a != b) fail("arange: step ", s, " does not lead from start ", a, " to end ", b);
  const double count = std::ceil((b - a) / s);
  if (count > 1e15) fail("arange: ", count, " elements are more than memory can hold");
  // Integer dtypes start at, and advance by, whole numbers.
  const auto exactly = [&](const ops::Operand& number) {
    if (number.kind() != ops::Operand::Kind::kFloat) return ops::Attr(number.integer());
    return is_floating(dtype) ? ops::Attr(number.number()) : ops::Attr(std::trunc(number.number()));
  };
  const ops::Attr from = integers ? ops::Attr(first.integer()) : exactly(first);
  const ops::Attr stride = integers ? ops::Attr(by.integer()) : exactly(by);
  return finish(ops::call<ops::Arange>({}, {from, stride, static_cast<std::int64_t>(count), dtype}), options);
}

double end_of_line(py::handle object, const char* argument, std::optional<Dtype> dtype) {
  if (is_tensor(object.ptr()) && tensor_of(object.ptr()).ndim() > 0) {
    fail("linspace: ", argument, " must be a number or a 0-d tensor, got shape ",
         to_string(tensor_of(object.ptr()).sizes()));
  }
  const ops::Operand number = need_number(object, "linspace", argument);
  if (!dtype || is_floating(*dtype)) return number.number();
  if (!ops::fits(number, *dtype)) {
    fail("linspace: ", argument, " ", number.number(), " does not fit into ", name(*dtype));
  }
  const double value = std::trunc(number.number());
  // Negative integers count from 2^8, as everywhere.
  return *dtype == Dtype::kUInt8 && value < 0 ? value + 256 : value;
}

Tensor linspace(py::handle first, py::handle last, std::int64_t steps, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "linspace", true);
  const double start = end_of_line(first, "start", options.dtype),
               end = end_of_line(last, "end", options.dtype);
  if (steps < 0) fail("linspace: steps must not be negative, got ", steps);
  return finish(ops::call<ops::Linspace>({}, {start, end, steps, options.dtype.value_or(default_dtype())}),
                options);
}

Tensor eye(std::int64_t n, std::optional<std::int64_t> m, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "eye", true);
  const std::int64_t columns = m.value_or(n);
  if (n < 0 || columns < 0) fail("eye: sizes must not be negative, got ", n, " and ", columns);
  const Dtype dtype = options.dtype.value_or(default_dtype());
  const Tensor ones = ops::full(Dims{std::min(n, columns)}, ops::Attr(1.0), dtype);
  return finish(ops::call<ops::DiagonalBackward>({ones}, {Dims{n, columns}, 0, 0, 1}), options);
}

Tensor full(py::handle size, py::handle fill_value, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "full", true);
  const ops::Operand value = need_number(fill_value, "full", "fill_value");
  return finish(constant(need_dims(size.ptr(), "full", "size"), attr_of(value),
                         options.dtype.value_or(dtype_of_number(value))),
                options);
}

py::object full_like(const Tensor& input, py::handle fill_value, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "full_like");
  const ops::Operand value = need_number(fill_value, "full_like", "fill_value");
  return like(
      input, finish(constant(input.sizes(), attr_of(value), options.dtype.value_or(input.dtype())), options));
}

Tensor make_tensor(py::handle data, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "tensor");
  return finish(tensor_from_data(data.ptr(), options.dtype), options);
}

Tensor as_tensor(py::handle data, const py::kwargs& kwargs) {
  const TensorOptions options = read_options(kwargs, "as_tensor");
  if (is_tensor(data.ptr())) {
    const Tensor& tensor = tensor_of(data.ptr());
    return options.dtype ? ops::to(tensor, *options.dtype) : tensor;
  }
  if (const Tensor shared = share_array(data.ptr())) {
    captured_shared(data.ptr(), shared);
    return options.dtype ? ops::to(shared, *options.dtype) : shared;
  }
  return tensor_from_data(data.ptr(), options.dtype);
}

void set_default(Dtype dtype) {
  if (!is_floating(dtype))
    fail(ErrorKind::kType, "set_default_dtype: only floating dtypes can be the default, not ", name(dtype));
  set_default_dtype(dtype);
}

}  // namespace

Tensor new_from_data(PyObject* data, std::optional<Dtype> dtype) {
  if (const Tensor shared = share_array(data)) return copy_of_array(shared, dtype);
  if (!is_sequence(data) && !number_operand(data)) {
    Tensor shared;
    if (has_array(data))
      shared = share_array(py::module_::import("numpy").attr("asarray")(py::handle(data)).ptr());
    if (shared) return copy_of_array(shared, dtype);
    if (PySequence_Check(data) && !PyUnicode_Check(data) && !PyBytes_Check(data)) {
      Owned list(checked(PySequence_List(data)));
      return from_sequence(list.get(), dtype);
    }
  }
  // A NumPy number keeps its dtype, as arrays do.
  if (!dtype && !is_sequence(data) && PyObject_HasAttrString(data, "dtype") == 1) {
    return new_from_data(py::module_::import("numpy").attr("asarray")(py::handle(data)).ptr(), dtype);
  }
  return from_sequence(data, dtype);
}

Tensor tensor_from_data(PyObject* data, std::optional<Dtype> dtype) {
  if (is_tensor(data)) {
    const ops::GradMode no_grad(false);
    const Tensor& source = tensor_of(data);
    return dtype && *dtype != source.dtype() ? ops::to(source, *dtype) : ops::clone(source);
  }
  return exec::Trace::current() ? captured_from_data(data, dtype) : new_from_data(data, dtype);
}

Tensor new_empty(DimSpan sizes, Dtype dtype) {
  Tensor tensor = Tensor::empty(Dims(sizes), dtype);
  if (exec::Trace* trace = exec::Trace::current()) trace->made_empty(tensor);
  return tensor;
}

void bind_creation(py::module_& core) {
  core.def(
      "tensor", &make_tensor, py::arg("data"), py::pos_only(),
      "tensor(data, *, dtype=None, device=None, requires_grad=False): a new tensor with a copy of the data.");
  core.def("as_tensor", &as_tensor, py::arg("data"), "A tensor that shares the data's memory where it can.");
  core.def("asarray", &as_tensor, py::arg("data"), "Alias of as_tensor.");
  core.attr("zeros") =
      sized_factory(core, "zeros", "zeros(*size, dtype=None, device=None, requires_grad=False): all 0.",
                    [](DimSpan sizes, Dtype dtype) { return ops::full(sizes, 0, dtype); });
  core.attr("ones") =
      sized_factory(core, "ones", "ones(*size, dtype=None, device=None, requires_grad=False): all 1.",
                    [](DimSpan sizes, Dtype dtype) { return ops::full(sizes, 1, dtype); });
  core.attr("empty") = sized_factory(
      core, "empty", "empty(*size, dtype=None, device=None, requires_grad=False): uninitialised.", new_empty);
  core.attr("zeros_like") =
      like_factory(core, "zeros_like", "zeros_like(input, *, dtype=None): all 0, in input's shape.",
                   [](DimSpan sizes, Dtype dtype) { return ops::full(sizes, 0, dtype); });
  core.attr("ones_like") =
      like_factory(core, "ones_like", "ones_like(input, *, dtype=None): all 1, in input's shape.",
                   [](DimSpan sizes, Dtype dtype) { return ops::full(sizes, 1, dtype); });
  core.attr("empty_like") = like_factory(
      core, "empty_like", "empty_like(input, *, dtype=None): uninitialised, in input's shape.", new_empty);
  core.def("full", &full, py::arg("size"), py::arg("fill_value"),
           "full(size, fill_value, *, dtype=None): a constant.");
  core.def("full_like", &full_like, py::arg("input"), py::arg("fill_value"), "A constant in input's shape.");
  core.def("arange", &arange,
           "arange(start=0, end, step=1, *, dtype=None): numbers from start up to, without, end.");
  core.def("linspace", &linspace, py::arg("start"), py::arg("end"), py::arg("steps"),
           "linspace(start, end, steps, *, dtype=None): evenly spaced numbers, both ends included.");
  core.def("eye", &eye, py::arg("n"), py::arg("m") = py::none(),
           "eye(n, m=None, *, dtype=None): the identity matrix.");
  core.def("get_default_dtype", &default_dtype, "The floating dtype that factories give when none is named.");
  core.def("set_default_dtype", &set_default, py::arg("d"),
           "Sets the floating dtype that factories give by default.");
  core.def("_promote_types", promote, py::arg("type1"), py::arg("type2"));
  core.def("_result_type", [](py::handle a, py::handle b) {
    const ops::Operand operands[2] = {
        is_tensor(a.ptr()) ? ops::Operand(tensor_of(a.ptr())) : need_number(a, "result_type", "tensor1"),
        is_tensor(b.ptr()) ? ops::Operand(tensor_of(b.ptr())) : need_number(b, "result_type", "tensor2")};
    return ops::result_type(operands);
  });
  core.def("_check_device", [](py::handle place) { device_of_object(place.ptr()); });
  core.def("_permit_mixing", &ops::permit_mixing, py::arg("permitted"));
  core.def("_cast", [](const Tensor& tensor, Dtype dtype) { return ops::to(tensor, dtype); });
}

}  // namespace unspool::bind
