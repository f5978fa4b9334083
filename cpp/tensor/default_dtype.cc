// The chosen default dtype, one for the process.
#include "tensor/default_dtype.h"

#include <atomic>

namespace unspool {
namespace {

std::atomic<Dtype> chosen = Dtype::kFloat32;

}  // namespace

Dtype default_dtype() { return chosen.load(std::memory_order_relaxed); }
void set_default_dtype(Dtype dtype) { chosen.store(dtype, std::memory_order_relaxed); }

}  // namespace unspool
