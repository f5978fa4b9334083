// Convolutions that are products of matrices as their operands lie. With a single tap that neither strides
// nor pads, an image times the weights; with a stride, what the tap meets is picked out first. Where the
// kernel covers all of an image, or spreads a single element, the images of the batch are the rows of one
// product. Sums are the same chains over channels and taps as in any other convolution, except that a product
// over the batch adds its bias last and may be of dot products.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/conv_stage.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/slots.h"

namespace unspool::kernels::cpu {

inline bool is_spread_over(const ConvAxis& axis, std::int64_t size) {
  return axis.kernel == size && axis.dilation == 1 && axis.padding == 0;
}

// Whether the kernel covers all of what a convolution reads or, transposed, all of what it writes, so that
// there is one place where it lies.
inline bool has_one_place(const ConvShape& shape, bool transposed) {
  return std::all_of(shape.axis, shape.axis + 3, [&](const ConvAxis& axis) {
    return (transposed ? axis.in : axis.out) == 1 && is_spread_over(axis, transposed ? axis.out : axis.in);
  });
}

// A single tap without padding: every output meets one input.
inline bool has_one_tap_inside(const ConvShape& shape, bool transposed) {
  return std::all_of(shape.axis, shape.axis + 3, [&](const ConvAxis& axis) {
    return axis.kernel == 1 && axis.padding == 0 && (axis.stride == 1 ? axis.in == axis.out : !transposed);
  });
}

template <class T>
class ConvProduct {
 public:
  ConvProduct(const ConvShape& shape, bool transposed)
      : shape_(shape), transposed_(transposed), over_batch_(has_one_place(shape, transposed)) {}

  bool pays() const {
    // Groups are products one by one, which must not be small.
    const std::int64_t each = shape_.work() / (over_batch_ ? shape_.groups : shape_.batch * shape_.groups);
    if (shape_.groups > 1 && each < kGroupWork) return false;
    if (over_batch_) return shape_.channels * shape_.taps() > 1;
    // Vectors of filters are better for images of a few vectors.
    return has_one_tap_inside(shape_, transposed_) && shape_.out_size() >= kMinPlaces &&
           shape_.channels > 1 && shape_.filters > 1;
  }

  std::size_t scratch(int threads) const {
    const Gemm<T> g = product(0, nullptr, nullptr, nullptr);
    if (over_batch_) return bytes_of<T>(spread_biases()) + gemm_scratch(g, threads);
    return bytes_of<T>(together() * picked()) + gemm_batch_scratch(g, batch(together()), threads);
  }

  // `bias` may be null.
  void run(const Context& context, const T* in, const T* weight, const T* bias, T* out) const {
    if (over_batch_)
      run_over_batch(context, in, weight, bias, out);
    else
      run_by_image(context, in, weight, bias, out);
  }

 private:
  static constexpr std::int64_t kMinPlaces = 64;
  static constexpr std::int64_t kGroupWork = 1 << 16;
  static constexpr std::int64_t kPickedBytes = 1 << 20;  // of images that go together

  // Of one group: of all images, or of the first.
  Gemm<T> product(std::int64_t group, const T* in, const T* weight, T* out) const {
    const ConvShape& s = shape_;
    const std::int64_t read = s.channels * (over_batch_ ? s.in_size() : s.out_size());
    const std::int64_t written = s.filters * s.out_size(), weights = s.channels * s.filters * s.taps();
    in += group * read, weight += group * weights, out += group * written;
    if (over_batch_ && transposed_)
      return {s.batch, written, read, in, s.groups * read, 1, weight, written, 1, out, s.groups * written};
    if (over_batch_)
      return {s.batch, written, read, in, s.groups * read, 1, weight, 1, read, out, s.groups * written};
    const std::int64_t places = s.out_size();
    return {
        s.filters, places, s.channels, weight, transposed_ ? 1 : s.channels, transposed_ ? s.filters : 1, in,
        places,    1,      out,        places};
  }

  // ---- the batch as rows ----

  // A bias for every element that is written.
  std::int64_t spread_biases() const {
    return transposed_ ? shape_.groups * shape_.filters * shape_.out_size() : 0;
  }

  void run_over_batch(const Context& context, const T* in, const T* weight, const T* bias, T* out) const {
    Context rest = context;
    if (bias && transposed_) {
      T* const spread = reinterpret_cast<T*>(context.scratch);
      for (std::int64_t f = 0; f < shape_.groups * shape_.filters; ++f)
        std::fill_n(spread + f * shape_.out_size(), shape_.out_size(), bias[f]);
      bias = spread;
    }
    rest.scratch += bytes_of<T>(spread_biases());
    for (std::int64_t group = 0; group < shape_.groups; ++group) {
      Gemm<T> g = product(group, in, weight, out);
      if (bias) g.bias = bias + group * g.n;
      gemm(rest, g);
    }
  }

  // ---- image by image ----

  bool picks() const { return shape_.in_size() != shape_.out_size(); }
  // Elements of an image that the tap meets, where they do not lie side by side.
  std::int64_t picked() const { return picks() ? shape_.groups * shape_.channels * shape_.out_size() : 0; }
  std::int64_t together() const {
    if (!picks()) return shape_.batch;
    const std::int64_t bytes = picked() * static_cast<std::int64_t>(sizeof(T));
    return std::clamp<std::int64_t>(kPickedBytes / bytes, 1, shape_.batch);
  }

  void run_by_image(const Context& context, const T* in, const T* weight, const T* bias, T* out) const {
    Context rest = context;
    T* const picked_in = reinterpret_cast<T*>(context.scratch);
    rest.scratch += bytes_of<T>(together() * picked());
    for (std::int64_t image = 0; image < shape_.batch; image += together()) {
      const std::int64_t count = std::min(together(), shape_.batch - image);
      const T* from = in + image * shape_.groups * shape_.channels * shape_.in_size();
      if (picks()) {
        pick(context, from, count, picked_in);
        from = picked_in;
      }
      T* const to = out + image * shape_.groups * shape_.filters * shape_.out_size();
      for (std::int64_t group = 0; group < shape_.groups; ++group) {
        Gemm<T> g = product(group, from, weight, to);
        if (bias) g.row_bias = bias + group * shape_.filters;
        gemm_batch(rest, g, batch(count));
      }
    }
  }

  GemmBatch<T> batch(std::int64_t count) const {
    return {count, 0, shape_.groups * shape_.channels * shape_.out_size(),
            shape_.groups * shape_.filters * shape_.out_size()};
  }

  void pick(const Context& context, const T* in, std::int64_t count, T* out) const {
    const ConvAxis &depth = shape_.axis[0], &height = shape_.axis[1], &width = shape_.axis[2];
    over_ranges(context, count * shape_.groups * shape_.channels, grain_of(shape_.out_size()),
                [&](std::int64_t begin, std::int64_t end) {
                  for (std::int64_t c = begin; c < end; ++c) {
                    T* to = out + c * shape_.out_size();
                    for (std::int64_t d = 0; d < depth.out; ++d) {
                      for (std::int64_t h = 0; h < height.out; ++h, to += width.out) {
                        const std::int64_t row =
                            (c * depth.in + d * depth.stride) * height.in + h * height.stride;
                        copy_lanes(in + row * width.in, width.stride, width.out, to);
                      }
                    }
                  }
                });
  }

  const ConvShape shape_;
  const bool transposed_, over_batch_;
};

// The gradient of the weights of such convolutions, of one group: over the batch, or, where filters or
// channels are few, as dot products image by image. Then the batch is cut into blocks by its size alone; they
// are added up in their order.
template <class T>
class ConvWeightProduct {
 public:
  explicit ConvWeightProduct(const ConvShape& shape)
      : shape_(shape),
        over_batch_(has_one_place(shape, false)),
        blocks_(over_batch_ ? 1 : std::clamp<std::int64_t>(shape.batch, 1, 4)) {}

  bool pays() const {
    if (shape_.groups != 1 || over_batch_) return over_batch_ && shape_.groups == 1;
    return has_one_tap_inside(shape_, true) && std::min(shape_.filters, shape_.channels) <= kFew &&
           shape_.out_size() >= kDotDepth;
  }

  std::size_t scratch(int threads) const {
    const std::size_t each = gemm_scratch(product(0, nullptr, nullptr, nullptr), blocks_ > 1 ? 1 : threads);
    return blocks_ > 1 ? bytes_of<T>(blocks_ * weights()) + Slots::bytes(threads, each) : each;
  }

  void run(const Context& context, const T* grad, const T* in, T* out) const {
    if (blocks_ == 1) {
      for (std::int64_t image = 0; image < (over_batch_ ? 1 : shape_.batch); ++image)
        add_image(context, image, image == 0, grad, in, out);
      return;
    }
    T* const sums = reinterpret_cast<T*>(context.scratch);
    Slots slots(context.scratch + bytes_of<T>(blocks_ * weights()), context.threads,
                gemm_scratch(product(0, nullptr, nullptr, nullptr), 1));
    const Parts images{shape_.batch, blocks_};
    context.parallel(blocks_, [&](std::int64_t block) {
      slots.lend([&](std::byte* slot) {
        const Context alone{.scratch = slot};
        for (std::int64_t image = images.start(block); image < images.start(block + 1); ++image)
          add_image(alone, image, image == images.start(block), grad, in, sums + block * weights());
      });
    });
    for (std::int64_t i = 0; i < weights(); ++i) {
      T sum = sums[i];
      for (std::int64_t block = 1; block < blocks_; ++block) sum += sums[block * weights() + i];
      out[i] = sum;
    }
  }

 private:
  std::int64_t weights() const { return shape_.filters * shape_.channels * shape_.taps(); }

  // Of an image, or of all.
  Gemm<T> product(std::int64_t image, const T* grad, const T* in, T* out) const {
    const ConvShape& s = shape_;
    if (over_batch_) {
      const std::int64_t read = s.channels * s.in_size();
      return {s.filters, read, s.batch, grad, 1, s.filters, in, read, 1, out, read};
    }
    const std::int64_t places = s.out_size();
    grad += image * s.filters * places, in += image * s.channels * places;
    return {s.filters, s.channels, places, grad, places, 1, in, 1, places, out, s.channels};
  }

  void add_image(const Context& context, std::int64_t image, bool is_first, const T* grad, const T* in,
                 T* out) const {
    Gemm<T> g = product(image, grad, in, out);
    g.accumulate = !is_first;
    gemm(context, g);
  }

  const ConvShape shape_;
  const bool over_batch_;
  const std::int64_t blocks_;
};

}  // namespace unspool::kernels::cpu
