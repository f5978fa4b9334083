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

// In the order of Device::Kind.
constexpr std::string_view kKinds[] = {"cpu",  "cuda", "meta", "mps",    "xpu", "xla",
                                       "mtia", "hpu",  "ipu",  "vulkan", "maia"};
constexpr std::int8_t kNoIndex = -1;

Device parse(const std::string& text) {
  const auto colon = text.find(':');
  const auto* kind = std::ranges::find(kKinds, text.substr(0, colon));
  if (kind == std::end(kKinds)) {
    fail("device: '", text,
         "' is not a device; expected 'cpu', 'cuda' or 'cuda:N' (a dtype is no string: unspool.float32)");
  }
  Device device;
  device.kind = static_cast<Device::Kind>(kind - std::begin(kKinds));
  if (device.kind != Device::Kind::kCpu) device.index = kNoIndex;
  if (colon != std::string::npos) {
    const std::string digits = text.substr(colon + 1);
    if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos) {
      fail("device: '", text, "' has an index that is not a number from 0 to 99");
    }
    device.index = static_cast<std::int8_t>(std::stoi(digits));
  }
  return device;
}

std::string kind_of(const Device& device) {
  return std::string(kKinds[static_cast<std::size_t>(device.kind)]);
}

// There is one processor, whose index is not told.
bool has_index(const Device& device) { return device.kind != Device::Kind::kCpu && device.index != kNoIndex; }

std::string written(const Device& device) {
  return has_index(device) ? kind_of(device) + ":" + std::to_string(device.index) : kind_of(device);
}

// Tensors can be there, or an error says that they cannot.
void require_here(const Device& device) {
  if (device.kind == Device::Kind::kCpu) return;
  if (device.kind == Device::Kind::kCuda) {
    fail("device: this build of unspool has no CUDA support, so nothing can be placed on '", written(device),
         "'; use 'cpu'");
  }
  fail(ErrorKind::kNotImplemented, "device: tensors on '", written(device),
       "' are not supported; leave the device out, or name 'cpu'",
       device.kind == Device::Kind::kMeta
           ? " (a module of any size is made without drawing numbers under nn.utils.skip_init)"
           : "");
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
                               return has_index(d) ? py::object(py::int_(static_cast<int>(d.index)))
                                                   : py::object(py::none());
                             })
      .def("__eq__",
           [](const Device& a, py::handle b) { return py::isinstance<Device>(b) && a == b.cast<Device>(); })
      .def("__hash__", [](const Device& d) { return static_cast<int>(d.kind) * 256 + d.index; })
      .def("__enter__",
           [](const Device& d) {
             require_here(d);
             return d;
           })
      .def("__exit__", [](const Device&, const py::args&) {})
      .def("__str__", &written)
      .def("__repr__",
           [](const Device& d) {
             return "device(type='" + kind_of(d) + "'" +
                    (has_index(d) ? ", index=" + std::to_string(d.index) : "") + ")";
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
  require_here(device);
  return device;
}

}  // namespace unspool::bind
