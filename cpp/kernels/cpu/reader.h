// Reading a view of any layout in its row-major order, a short range at a time: in place where the range lies
// consecutively in memory, through a buffer otherwise.
#pragma once

#include <cstdint>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/transpose.h"

namespace unspool::kernels::cpu {

template <class T>
class Reader {
 public:
  explicit Reader(const View& view)
      : data_(view.as<const T>()), flat_(view.contiguous), joint_(view.sizes, 0) {
    if (flat_) return;
    lay_out(view);
    flat_ = joint_.is_flat(0);
  }

  // Of a view whose dtype may be another than T's: elements are then converted on their way to the buffers,
  // and is_flat() is false.
  static Reader converting(const View& view) {
    Reader reader(view);
    if (view.dtype == dtype_of<T>()) return reader;
    reader.convert_ = row_conversion(dtype_of<T>(), view.dtype);
    reader.item_ = static_cast<std::int64_t>(size_of(view.dtype));
    if (view.contiguous) reader.lay_out(view);
    reader.flat_ = false;
    return reader;
  }

  bool is_flat() const { return flat_; }

  // Elements [begin, begin + n) in row-major order; `buffer` has room for n.
  const T* read(std::int64_t begin, std::int64_t n, T* buffer) const {
    return flat_ ? data_ + begin : read_strided(begin, n, buffer);
  }

  // `count` ranges of n elements, `distance` apart in row-major order; `buffer` has room for all of them.
  // Where the memory runs across the ranges, they are transposed together.
  void read_rows(std::int64_t begin, std::int64_t distance, std::int64_t count, std::int64_t n, T* buffer,
                 const T** rows) const {
    if (flat_) {
      for (std::int64_t r = 0; r < count; ++r) rows[r] = data_ + begin + r * distance;
      return;
    }
    const Cursor cursor(joint_, begin);
    const int d = convert_ ? -1 : dim_of(distance);
    if (d >= 0 && cursor.left_in_row() >= n && joint_.sizes[d] - cursor.index[d] >= count) {
      const T* first = data_ + cursor.offset[0];
      const std::int64_t step = joint_.strides[0][d];
      if (joint_.row_stride(0) == 1) {
        for (std::int64_t r = 0; r < count; ++r) rows[r] = first + r * step;
        return;
      }
      if (step == 1) {
        transpose_elements(buffer, n, first, joint_.row_stride(0), count, n);
        for (std::int64_t r = 0; r < count; ++r) rows[r] = buffer + r * n;
        return;
      }
    }
    for (std::int64_t r = 0; r < count; ++r) rows[r] = read(begin + r * distance, n, buffer + r * n);
  }

 private:
  void lay_out(const View& view) {
    joint_ = Joint(view);
    joint_.merge();
    joint_.ensure_row();
  }

  // The dimension in which neighbours are `distance` apart in row-major order, or -1.
  int dim_of(std::int64_t distance) const {
    std::int64_t run = joint_.row();
    int d = joint_.ndim - 2;
    while (d >= 0 && run < distance) run *= joint_.sizes[d--];
    return run == distance ? d : -1;
  }

  static void transpose_elements(T* to, std::int64_t to_step, const T* from, std::int64_t from_step,
                                 std::int64_t rows, std::int64_t columns) {
    visit_size(sizeof(T), [&](auto word) {
      using W = decltype(word);
      transpose(reinterpret_cast<W*>(to), to_step, reinterpret_cast<const W*>(from), from_step, rows,
                columns);
    });
  }

  [[gnu::noinline]] const T* read_strided(std::int64_t begin, std::int64_t n, T* buffer) const {
    Cursor cursor(joint_, begin);
    if (!convert_ && joint_.row_stride(0) == 1 && cursor.left_in_row() >= n) return data_ + cursor.offset[0];
    for (std::int64_t done = 0; done < n;) {
      const std::int64_t part = std::min(n - done, cursor.left_in_row());
      if (convert_) {
        convert_(reinterpret_cast<std::byte*>(buffer + done), 1,
                 reinterpret_cast<const std::byte*>(data_) + cursor.offset[0] * item_, joint_.row_stride(0),
                 part);
      } else {
        copy_row(buffer + done, 1, data_ + cursor.offset[0], joint_.row_stride(0), part);
      }
      cursor.advance(part);
      done += part;
    }
    return buffer;
  }

  const T* data_;
  bool flat_;
  RowMove convert_ = nullptr;
  std::int64_t item_ = sizeof(T);
  Joint joint_;
};

}  // namespace unspool::kernels::cpu
