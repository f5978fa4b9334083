// The arguments that functions which make tensors have in common.
#include "bind/factory.h"

#include <string>

#include "bind/caster.h"
#include "bind/device.h"
#include "bind/out.h"
#include "bind/subclass.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {

py::object take_argument(py::kwargs& kwargs, const char* name) {
  return kwargs.contains(name) ? py::object(kwargs.attr("pop")(name)) : py::object();
}

py::object like(const Tensor& input, Tensor result) {
  return py::reinterpret_steal<py::object>(wrap_like(input, std::move(result)));
}

TensorOptions read_options(const py::kwargs& kwargs, const char* who, bool takes_out) {
  TensorOptions options{.who = who};
  for (const auto& [key, value] : kwargs) {
    const auto name = key.cast<std::string>();
    if (name == "dtype") {
      if (!value.is_none()) options.dtype = dtype_of_object(value.ptr(), who);
    } else if (name == "device") {
      device_of_object(value.ptr());
    } else if (name == "requires_grad") {
      options.requires_grad = value.cast<bool>();
    } else if (name == "out" && takes_out) {
      if (value.is_none()) continue;
      if (!is_tensor(value.ptr()))
        fail(ErrorKind::kType, who, "(): argument 'out' must be Tensor, not ", Py_TYPE(value.ptr())->tp_name);
      options.out = tensor_of(value.ptr());
    } else if (name == "pin_memory" || name == "layout" || name == "memory_format" || name == "out") {
      const bool is_default = value.is_none() || (name == "pin_memory" && !value.cast<bool>()) ||
                              name == "memory_format" ||
                              (name == "layout" && py::str(value).cast<std::string>() == "unspool.strided");
      if (!is_default) fail(ErrorKind::kNotImplemented, who, "(): argument '", name, "' is not supported");
    } else {
      fail(ErrorKind::kType, who, "(): has no argument '", name, "'");
    }
  }
  if (options.out) {
    if (options.dtype && *options.dtype != options.out.dtype())
      fail(who, "(): dtype is ", unspool::name(*options.dtype), " but out is ",
           unspool::name(options.out.dtype()));
    options.dtype = options.out.dtype();
  }
  return options;
}

Tensor finish(Tensor tensor, const TensorOptions& options) {
  if (options.out) {
    write_out(options.who, tensor, options.out);
    tensor = options.out;
  }
  if (options.requires_grad) {
    if (!is_floating(tensor.dtype())) {
      fail("requires_grad: only floating tensors have gradients, not ", name(tensor.dtype()));
    }
    tensor->requires_grad = true;
  }
  return tensor;
}

Dims read_sizes(const py::args& args, py::kwargs& kwargs, const char* who) {
  py::object named = take_argument(kwargs, "size");
  if (named) {
    if (!args.empty()) fail(ErrorKind::kType, who, "(): the size is given twice");
    return need_dims(named.ptr(), who, "size");
  }
  const bool is_nested =
      args.size() == 1 && (py::isinstance<py::list>(args[0]) || py::isinstance<py::tuple>(args[0]));
  if (is_nested) return need_dims(args[0].ptr(), who, "size");
  return need_dims(args.ptr(), who, "size");
}

}  // namespace unspool::bind
