// The pieces of the recurrent layers: where each step's rows lie, and what one cell does to a row of gates,
// forward and back. Which products run between them is in recurrent.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu::recurrent {

enum class Mode : std::uint8_t { kLstm, kGru, kTanh, kRelu };

inline Mode mode_of(std::string_view text) {
  return text == "lstm"   ? Mode::kLstm
         : text == "gru"  ? Mode::kGru
         : text == "tanh" ? Mode::kTanh
                          : Mode::kRelu;
}
constexpr std::int64_t gates_of(Mode mode) { return mode == Mode::kLstm ? 4 : mode == Mode::kGru ? 3 : 1; }

// The attributes from `first` on: mode, reverse, steps, batch, batch_sizes.
struct Steps {
  Mode mode;
  bool reverse;
  std::int64_t count, batch, rows;
  const Dims* sizes;  // null where every step has the whole batch

  Steps(const KernelCall& call)
      : mode(mode_of(call.attrs[0].text())),
        reverse(call.attrs[1].flag()),
        count(call.attrs[2].integer()),
        batch(call.attrs[3].integer()),
        rows(count * batch),
        sizes(call.attrs[4].is_none() ? nullptr : &call.attrs[4].dims()) {
    if (!sizes) return;
    rows = 0;
    for (std::int64_t size : *sizes) rows += size;
  }
  std::int64_t size(std::int64_t step) const {
    return sizes ? (*sizes)[static_cast<std::size_t>(step)] : batch;
  }
  // visit(rows) for all numbers of rows, and perhaps others, that a step has of a part of the batch.
  template <class F>
  void each_size(std::int64_t parts, const F& visit) const {
    const std::int64_t most = (batch + parts - 1) / parts;
    if (!sizes) {
      visit(most);
      if (batch % parts != 0) visit(batch / parts);
    } else if (parts > 1) {
      for (std::int64_t n = 1; n <= most; ++n) visit(n);
    } else {
      for (std::int64_t k = 0, last = -1; k < count; ++k) {
        if (size(k) != last) visit(last = size(k));
      }
    }
  }
  // visit(first row, rows) for samples [begin, end) of the batch, from the first step to the last, or from
  // the last to the first.
  template <class F>
  void each(bool from_last, std::int64_t begin, std::int64_t end, const F& visit) const {
    std::int64_t row = from_last ? rows : 0;
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t n = size(from_last ? count - 1 - k : k);
      if (from_last) row -= n;
      if (begin < std::min(n, end)) visit(row + begin, std::min(n, end) - begin);
      if (!from_last) row += n;
    }
  }
};

// What is kept of every row, each part for all rows together.
template <class T>
struct Reserve {
  T *gates, *before, *cell_before, *squashed;  // the cell's only in lstm
  T* hidden;                                   // gru: the hidden part of the candidate

  Reserve(T* data, Mode mode, std::int64_t rows, std::int64_t width, std::int64_t out)
      : gates(data),
        before(gates + rows * gates_of(mode) * width),
        cell_before(before + rows * out),
        squashed(cell_before + rows * width),
        hidden(cell_before) {}
};

// --- One row, forward: `gates` hold the sums and become the activations ---

template <class T>
void lstm_row(std::int64_t n, T* gates, T* cell, T* cell_before, T* squashed, T* hidden) {
  using P = Vec<T>;
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P i = sigmoid(load_lanes<P>(gates + j, lanes)), f = sigmoid(load_lanes<P>(gates + n + j, lanes));
    const P g = tanh(load_lanes<P>(gates + 2 * n + j, lanes));
    const P o = sigmoid(load_lanes<P>(gates + 3 * n + j, lanes));
    const P c = load_lanes<P>(cell + j, lanes), next = f * c + i * g, s = tanh(next);
    store_lanes<P>(gates + j, i, lanes);
    store_lanes<P>(gates + n + j, f, lanes);
    store_lanes<P>(gates + 2 * n + j, g, lanes);
    store_lanes<P>(gates + 3 * n + j, o, lanes);
    store_lanes<P>(cell_before + j, c, lanes);
    store_lanes<P>(cell + j, next, lanes);
    store_lanes<P>(squashed + j, s, lanes);
    store_lanes<P>(hidden + j, o * s, lanes);
  });
}

// `sums` are the hidden part of all three gates.
template <class T>
void gru_row(std::int64_t n, T* gates, const T* sums, T* kept, T* state) {
  using P = Vec<T>;
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P r = sigmoid(load_lanes<P>(gates + j, lanes) + load_lanes<P>(sums + j, lanes));
    const P z = sigmoid(load_lanes<P>(gates + n + j, lanes) + load_lanes<P>(sums + n + j, lanes));
    const P u = load_lanes<P>(sums + 2 * n + j, lanes);
    const P c = tanh(load_lanes<P>(gates + 2 * n + j, lanes) + r * u);
    store_lanes<P>(gates + j, r, lanes);
    store_lanes<P>(gates + n + j, z, lanes);
    store_lanes<P>(gates + 2 * n + j, c, lanes);
    store_lanes<P>(kept + j, u, lanes);
    store_lanes<P>(state + j, c + z * (load_lanes<P>(state + j, lanes) - c), lanes);
  });
}

template <class T>
void elman_row(std::int64_t n, bool relu, T* gates, T* state) {
  using P = Vec<T>;
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P sum = load_lanes<P>(gates + j, lanes), h = relu ? max(sum, P(T(0))) : tanh(sum);
    store_lanes<P>(gates + j, h, lanes);
    store_lanes<P>(state + j, h, lanes);
  });
}

// --- One row, back: from the cotangent of the hidden state to those of the sums ---

template <class T>
void lstm_row_back(std::int64_t n, const T* gates, const T* cell_before, const T* squashed, const T* grad,
                   T* grad_cell, T* out) {
  using P = Vec<T>;
  const P one(T(1));
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P i = load_lanes<P>(gates + j, lanes), f = load_lanes<P>(gates + n + j, lanes);
    const P g = load_lanes<P>(gates + 2 * n + j, lanes), o = load_lanes<P>(gates + 3 * n + j, lanes);
    const P s = load_lanes<P>(squashed + j, lanes), dh = load_lanes<P>(grad + j, lanes);
    const P dc = load_lanes<P>(grad_cell + j, lanes) + dh * o * (one - s * s);
    store_lanes<P>(out + j, dc * g * (i * (one - i)), lanes);
    store_lanes<P>(out + n + j, dc * load_lanes<P>(cell_before + j, lanes) * (f * (one - f)), lanes);
    store_lanes<P>(out + 2 * n + j, dc * i * (one - g * g), lanes);
    store_lanes<P>(out + 3 * n + j, dh * s * (o * (one - o)), lanes);
    store_lanes<P>(grad_cell + j, dc * f, lanes);
  });
}

// `grad` becomes the part of the cotangent that goes past the gates.
template <class T>
void gru_row_back(std::int64_t n, const T* gates, const T* kept, const T* before, T* grad, T* out,
                  T* hidden) {
  using P = Vec<T>;
  const P one(T(1));
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P r = load_lanes<P>(gates + j, lanes), z = load_lanes<P>(gates + n + j, lanes);
    const P c = load_lanes<P>(gates + 2 * n + j, lanes), u = load_lanes<P>(kept + j, lanes);
    const P dh = load_lanes<P>(grad + j, lanes);
    const P dc = dh * (one - z) * (one - c * c), dr = dc * u * (r * (one - r));
    const P dz = dh * (load_lanes<P>(before + j, lanes) - c) * (z * (one - z));
    store_lanes<P>(out + j, dr, lanes);
    store_lanes<P>(out + n + j, dz, lanes);
    store_lanes<P>(out + 2 * n + j, dc, lanes);
    store_lanes<P>(hidden + j, dr, lanes);
    store_lanes<P>(hidden + n + j, dz, lanes);
    store_lanes<P>(hidden + 2 * n + j, dc * r, lanes);
    store_lanes<P>(grad + j, dh * z, lanes);
  });
}

template <class T>
void elman_row_back(std::int64_t n, bool relu, const T* gates, const T* grad, T* out) {
  using P = Vec<T>;
  const P one(T(1)), zero(T(0));
  each_packet<P>(n, [&](std::int64_t j, auto lanes) {
    const P h = load_lanes<P>(gates + j, lanes), dh = load_lanes<P>(grad + j, lanes);
    store_lanes<P>(out + j, relu ? select(h > zero, dh, zero) : dh * (one - h * h), lanes);
  });
}

}  // namespace unspool::kernels::cpu::recurrent
