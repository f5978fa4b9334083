// A region of a tensor as a node of the tape keeps it: its numbers one behind the other, in four bytes each
// where they fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/blocks.h"
#include "ops/strided.h"

namespace unspool::exec {

class PackedRegion {
 public:
  explicit PackedRegion(const ops::Region& region)
      : ndim_(static_cast<std::uint8_t>(region.size.size())),
        whole_ndim_(static_cast<std::uint8_t>(region.whole_size.size())) {
    SmallVector<std::int64_t, 24> numbers{region.offset, region.whole_offset};
    for (const Dims* dims : {&region.size, &region.stride, &region.whole_size, &region.whole_stride})
      numbers.append(dims->begin(), dims->end());
    for (const std::int64_t number : numbers)
      is_wide_ = is_wide_ || number != static_cast<std::int32_t>(number);
    memory_ = static_cast<std::byte*>(allocate_block(bytes()));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto narrow = static_cast<std::int32_t>(numbers[i]);
      std::memcpy(memory_ + i * width(), is_wide_ ? static_cast<const void*>(&numbers[i]) : &narrow, width());
    }
  }
  ~PackedRegion() { deallocate_block(memory_, bytes()); }
  PackedRegion(const PackedRegion&) = delete;
  PackedRegion& operator=(const PackedRegion&) = delete;

  ops::Region get() const {
    const std::size_t stride = 2u + ndim_, whole = stride + ndim_, whole_stride = whole + whole_ndim_;
    return {
        dims(2, ndim_), dims(stride, ndim_), at(0), dims(whole, whole_ndim_), dims(whole_stride, whole_ndim_),
        at(1)};
  }
  Dims whole_size() const { return dims(2u + 2u * ndim_, whole_ndim_); }
  std::size_t bytes() const { return (2u + 2u * ndim_ + 2u * whole_ndim_) * width(); }

 private:
  std::size_t width() const { return is_wide_ ? sizeof(std::int64_t) : sizeof(std::int32_t); }
  std::int64_t at(std::size_t i) const {
    std::int64_t wide = 0;
    std::int32_t narrow = 0;
    std::memcpy(is_wide_ ? static_cast<void*>(&wide) : &narrow, memory_ + i * width(), width());
    return is_wide_ ? wide : narrow;
  }
  Dims dims(std::size_t first, std::size_t count) const {
    Dims result(count);
    for (std::size_t d = 0; d < count; ++d) result[d] = at(first + d);
    return result;
  }

  std::byte* memory_;
  std::uint8_t ndim_, whole_ndim_;
  bool is_wide_ = false;
};

}  // namespace unspool::exec
