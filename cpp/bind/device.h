// unspool.device.
#pragma once

#include <pybind11/pybind11.h>

#include "tensor/storage.h"

namespace unspool::bind {

void bind_device(pybind11::module_& core);
PyObject* device_object(Device device);  // a new reference

// From a device, "cpu", or None (the CPU); raises for devices that this build has not.
Device device_of_object(pybind11::handle object);

}  // namespace unspool::bind
