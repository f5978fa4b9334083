// A number that the host keeps in a tensor of one element: step counters, and numbers of captured steps.
#pragma once

#include "tensor/tensor.h"

namespace unspool::bind {

inline double read_scalar(const Tensor& place) {
  return visit_dtype(place.dtype(),
                     [&]<class T>(T) { return static_cast<double>(*static_cast<const T*>(place.data())); });
}

inline void write_scalar(const Tensor& place, double value, const char* writer) {
  visit_dtype(place.dtype(), [&]<class T>(T) { *static_cast<T*>(place.data()) = static_cast<T>(value); });
  place->storage->mark_written(writer);
}

}  // namespace unspool::bind
