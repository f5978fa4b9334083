// Connectionist temporal classification (Graves et al. 2006): the likelihood of a label sequence, summed over
// all its alignments with a longer sequence of predictions.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_ctc(Inference& c);
void infer_ctc_backward(Inference& c);
[[noreturn]] Tensor refuse_second_ctc(Vjp& v);

struct CtcBackward;

// Labels of sample n are target_lengths[n] elements of targets from starts[n] on; `width` is the largest of
// the lengths. The second output holds the logarithms of the forward variables for all steps and states.
struct CtcLoss {
  static constexpr Record record{
      .name = "ctc_loss_forward",
      .where = kHidden,
      .formula = "-ln Σ over alignments Π_t exp(log_probs[t, n, label])",
      .doc = "Negative log likelihood of each label sequence, and the forward variables.",
      .args = {tensor("log_probs"), tensor("targets"), tensor("starts"), tensor("input_lengths"),
               tensor("target_lengths"), integer("blank"), integer("width"), flag("zero_infinity")},
      .outputs = {{"losses", "log_alpha"}},
      .row_major = true,
      .infer = infer_ctc,
      .vjp = {{in(0) | in(1) | in(2) | in(3) | in(4) | out(0) | out(1), [](Vjp& v) {
                 return call<CtcBackward>(
                     {v.g(0), v.in(0), v.in(1), v.in(2), v.in(3), v.in(4), v.out(0), v.out(1)},
                     {v.attr("blank"), v.attr("zero_infinity")});
               }}}};
};

// The cotangent of scores whose log_softmax the log probabilities are; log_softmax passes it on unchanged.
struct CtcBackward {
  static constexpr Record record{
      .name = "ctc_loss_backward",
      .where = kHidden,
      .formula = "grad[n] * (exp(log_probs) - share of alignments through the class)",
      .doc = "Cotangent of the log probabilities of ctc_loss.",
      .args = {tensor("grad"), tensor("log_probs"), tensor("targets"), tensor("starts"),
               tensor("input_lengths"), tensor("target_lengths"), tensor("losses"), tensor("log_alpha"),
               integer("blank"), flag("zero_infinity")},
      .row_major = true,
      .infer = infer_ctc_backward,
      .vjp = {{kNothing, [](Vjp& v) -> Tensor { refuse_second_ctc(v); }},
              {kNothing, [](Vjp& v) -> Tensor { refuse_second_ctc(v); }}}};
};

using CtcOps = OpList<CtcLoss, CtcBackward>;

}  // namespace unspool::ops
