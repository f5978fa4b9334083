// Lets pybind11 functions take and return Tensor, Dtype and Device by value.
#pragma once

#include <pybind11/pybind11.h>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"

namespace pybind11::detail {

template <>
struct type_caster<unspool::Tensor> {
  PYBIND11_TYPE_CASTER(unspool::Tensor, const_name("unspool.Tensor"));

  bool load(handle source, bool) {
    if (!unspool::bind::is_tensor(source.ptr())) return false;
    value = unspool::bind::tensor_of(source.ptr());
    return true;
  }
  static handle cast(unspool::Tensor tensor, return_value_policy, handle) {
    return unspool::bind::wrap(std::move(tensor));
  }
};

template <>
struct type_caster<unspool::Dtype> {
  PYBIND11_TYPE_CASTER(unspool::Dtype, const_name("unspool.dtype"));

  bool load(handle source, bool) {
    const bool is_python_type = source.ptr() == reinterpret_cast<PyObject*>(&PyFloat_Type) ||
                                source.ptr() == reinterpret_cast<PyObject*>(&PyLong_Type) ||
                                source.ptr() == reinterpret_cast<PyObject*>(&PyBool_Type);
    if (!is_python_type && !unspool::bind::is_dtype(source.ptr())) return false;
    value = unspool::bind::dtype_of_object(source.ptr(), "dtype");
    return true;
  }
  static handle cast(unspool::Dtype dtype, return_value_policy, handle) {
    return Py_NewRef(unspool::bind::dtype_object(dtype));
  }
};

}  // namespace pybind11::detail
