// unspool.device.
#pragma once

#include <Python.h>

#include "tensor/storage.h"

namespace unspool::bind {

PyObject* device_object(Device device);  // a new reference

// From a device, "cpu", or None (the CPU); raises for devices that this build has not.
Device device_of_object(PyObject* object);

}  // namespace unspool::bind
