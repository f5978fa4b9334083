// Reading a view of any layout in its row-major order, a short range at a time: in place where the range lies
// consecutively in memory, through a buffer otherwise.
#pragma once

#include <cstdint>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/layout.h"

namespace unspool::kernels::cpu {

template <class T>
class Reader {
 public:
  explicit Reader(const View& view) : data_(view.as<const T>()), flat_(view.contiguous), joint_(view.sizes, 0) {
    if (flat_) return;
    joint_ = Joint(view);
    joint_.merge();
    joint_.ensure_row();
    flat_ = joint_.is_flat(0);
  }

  bool is_flat() const { return flat_; }

  // Elements [begin, begin + n) in row-major order; `buffer` has room for n.
  const T* read(std::int64_t begin, std::int64_t n, T* buffer) const {
    return flat_ ? data_ + begin : read_strided(begin, n, buffer);
  }

 private:
  [[gnu::noinline]] const T* read_strided(std::int64_t begin, std::int64_t n, T* buffer) const {
    Cursor cursor(joint_, begin);
    if (joint_.row_stride(0) == 1 && cursor.left_in_row() >= n) return data_ + cursor.offset[0];
    for (std::int64_t done = 0; done < n;) {
      const std::int64_t part = std::min(n - done, cursor.left_in_row());
      copy_row(buffer + done, 1, data_ + cursor.offset[0], joint_.row_stride(0), part);
      cursor.advance(part);
      done += part;
    }
    return buffer;
  }

  const T* data_;
  bool flat_;
  Joint joint_;
};

}  // namespace unspool::kernels::cpu
