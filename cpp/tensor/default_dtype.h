// The dtype of floating results that have no floating operand: what factories give where no dtype is named,
// and what integers and Python's numbers become.
#pragma once

#include "tensor/dtype.h"

namespace unspool {

// The floating dtype that is chosen for the process; float32 at the beginning.
Dtype default_dtype();
void set_default_dtype(Dtype dtype);

// The same where it is computed in: float32 for narrow ones.
inline Dtype default_compute_dtype() {
  const Dtype dtype = default_dtype();
  return dtype == Dtype::kFloat64 ? dtype : Dtype::kFloat32;
}

}  // namespace unspool
