// unspool.device: a kind and an index. Only the CPU holds tensors in this build; other devices can be named.
#include "bind/device.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bind/topics.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

// A device of PyTorch that no build of unspool has.
bool is_elsewhere(std::string_view kind) {
  constexpr std::string_view kinds[] = {"meta", "mps", "xpu", "xla", "mtia", "hpu", "ipu", "vulkan", "maia"};
  return std::ranges::find(kinds, kind) != std::end(kinds);
}

Device parse(const std::string& text) {
  const auto colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  Device device;
  if (kind == "cuda")
    device.kind = Device::Kind::kCuda;
  else if (is_elsewhere(kind)) {
    fail(ErrorKind::kNotImplemented, "device: tensors on '", text,
         "' are not supported; leave the device out, or name 'cpu'",
         kind == "meta" ? " (a module of any size is made without drawing numbers under nn.utils.skip_init)"
                        : "");
  } else if (kind != "cpu") {
    fail("device: '", text,
         "' is not a device; expected 'cpu', 'cuda' or 'cuda:N' (a dtype is no string: unspool.float32)");
  }
  if (colon != std::string::npos) {
    const std::string digits = text.substr(colon + 1);
    if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos) {
      fail("device: '", text, "' has an index that is not a number from 0 to 99");
    }
    device.index = static_cast<std::int8_t>(std::stoi(digits));
  }
  return device;
}

const char* kind_of(const Device& device) { return device.kind == Device::Kind::kCpu ? "cpu" : "cuda"; }

std::string written(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

}  // namespace

void bind_device(py::module_& core) {
  py::class_<Device>(core, "device", "Where tensors are stored: device('cpu').")
      .def(py::init([](const Device& other) { return other; }), py::arg("device"))
      .def(py::init([](const std::string& text) { return parse(text); }), py::arg("type"))
      .def(py::init([](const std::string& text, int index) {
             if (text.find(':') != std::string::npos)
               fail("device: the index is given twice, in '", text, "' and as ", index);
             return parse(text + ":" + std::to_string(index));
           }),
           py::arg("type"), py::arg("index"))
      .def_property_readonly("type", &kind_of)
      .def_property_readonly("index",
                             [](const Device& d) -> py::object {
                               return d.kind == Device::Kind::kCpu
                                          ? py::object(py::none())
                                          : py::object(py::int_(static_cast<int>(d.index)));
                             })
      .def("__eq__",
           [](const Device& a, py::handle b) { return py::isinstance<Device>(b) && a == b.cast<Device>(); })
      .def("__hash__", [](const Device& d) { return static_cast<int>(d.kind) * 256 + d.index; })
      .def("__str__", &written)
      .def("__repr__",
           [](const Device& d) {
             return d.kind == Device::Kind::kCpu
                        ? std::string("device(type='cpu')")
                        : "device(type='cuda', index=" + std::to_string(d.index) + ")";
           })
      .def(py::pickle([](const Device& d) { return py::make_tuple(written(d)); },
                      [](const py::tuple& state) { return parse(state[0].cast<std::string>()); }));
}

PyObject* device_object(Device device) { return py::cast(device).release().ptr(); }

Device device_of_object(PyObject* object) {
  const py::handle place = object;
  Device device;
  if (place.is_none()) return device;
  if (py::isinstance<py::str>(place))
    device = parse(place.cast<std::string>());
  else if (py::isinstance<Device>(place))
    device = place.cast<Device>();
  else {
    fail(ErrorKind::kType, "device: expected a device or a name such as 'cpu', not ",
         Py_TYPE(object)->tp_name);
  }
  if (device.kind != Device::Kind::kCpu) {
    fail("device: this build of unspool has no CUDA support, so nothing can be placed on '", written(device),
         "'; use 'cpu'");
  }
  return device;
}

}  // namespace unspool::bind
