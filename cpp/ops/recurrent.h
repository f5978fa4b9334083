// Recurrent layers: one direction of one layer over all time steps as a single operation, forward and
// backward. The kernels run the recurrence; the cotangents of weights and input, one large product each, are
// composed around the backward kernel in recurrent.cc.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_recurrent(Inference& c);
void infer_recurrent_backward(Inference& c);
void recurrent_cotangents(Vjp& v, std::span<Tensor> grads);

inline constexpr Arg kCellMode = text("mode");
inline constexpr Arg kBatchSizes = optional_dims("batch_sizes");

// `mode` is lstm, gru, tanh or relu, with 4, 3, 1 and 1 gates. The input is (steps, batch, in), or packed:
// the rows of all steps, as many as batch_sizes says, which never grow. `reverse` runs from the last step to
// the first. `reserve` holds what the way back reads: for every row the gates, the hidden state before, and
// then, lstm: the cell before and the tanh of the cell after; gru: the hidden part of the candidate.
struct Recurrent {
  static constexpr Record record{
      .name = "recurrent",
      .where = kHidden,
      .formula = "h_t = cell(input_t, h_{t-1}) for t = 1 ... steps",
      .doc = "One direction of a layer of LSTM, GRU or Elman cells; gates in the order i f g o and r z n.",
      .args = {tensor(), optional_tensor("hidden"), optional_tensor("cell"), tensor("weight_ih"),
               tensor("weight_hh"), optional_tensor("bias_ih"), optional_tensor("bias_hh"),
               optional_tensor("weight_hr"), kCellMode, flag("reverse", false), integer("steps", 1),
               integer("batch", 1), kBatchSizes},
      .outputs = {{"output", "hidden", "cell", "reserve"}},
      .row_major = true,
      .infer = infer_recurrent,
      .joint_vjp = {in(0) | in(1) | in(2) | in(3) | in(4) | in(5) | in(6) | in(7) | out(3),
                    recurrent_cotangents}};
};

// `gates` are the cotangents of the gates before their activation; `other` of their hidden part where that
// differs (gru), or of the projected state (lstm with weight_hr).
struct RecurrentBackward {
  static constexpr Record record{
      .name = "recurrent_backward",
      .where = kHidden,
      .formula = "the cotangents of h_t = cell(input_t, h_{t-1}), from the last t to the first",
      .doc = "Backpropagation through time (Werbos 1990).",
      .args = {tensor("reserve"), optional_tensor("grad_output"), optional_tensor("grad_hidden"),
               optional_tensor("grad_cell"), tensor("weight_hh"), optional_tensor("weight_hr"), kCellMode,
               flag("reverse", false), integer("steps", 1), integer("batch", 1), kBatchSizes},
      .outputs = {{"gates", "other", "hidden", "cell"}},
      .row_major = true,
      .infer = infer_recurrent_backward};
};

using RecurrentOps = OpList<Recurrent, RecurrentBackward>;

}  // namespace unspool::ops
