// The recursive function, and what a frame does on the way in and on the way out.
#include "exec/returning.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/machine_stack.h"
#include "exec/tape.h"
#include "exec/unwinder.h"
#include "ops/api.h"
#include "ops/arithmetic.h"
#include "ops/vjp.h"

namespace unspool::exec {
namespace {

using ops::Operand;
using Kind = ChainOperand::Kind;

// What a call keeps until it returns.
struct Frame {
  std::uint32_t link = 0;
  Tensor input;                    // when a rule reads it
  SmallVector<Tensor, 1> results;  // those that a rule reads; the others are undefined
};

class Run;

// Hands a rule what its frame holds.
class FrameVjp final : public ops::Vjp {
 public:
  FrameVjp(const Run& run, const Link& link, const Frame& frame, Tensor& cotangent)
      : Vjp({*link.op, {}, link.attrs}), run_(run), link_(link), frame_(frame), cotangent_(cotangent) {}

  Tensor g(int i) override;
  bool has_g(int i) const override { return i == 0; }
  Operand in(int i) override;
  Tensor out(int i) override { return frame_.results[static_cast<std::size_t>(i)]; }
  bool wants(int i) const override;
  const Dims& sizes(int i) const override { return link_.operands[static_cast<std::size_t>(i)].sizes; }
  Dtype dtype(int i) const override { return link_.operands[static_cast<std::size_t>(i)].dtype; }

 private:
  const Run& run_;
  const Link& link_;
  const Frame& frame_;
  Tensor& cotangent_;
};

class Run {
 public:
  Run(const Chain& chain, std::span<const Tensor> inputs, GradientTaker& taker, StackUse& use)
      : chain_(chain), inputs_(inputs), taker_(taker), use_(use), sides_(chain.side_values) {}

  Tensor operator()();
  // The value of an operand; `current` where it is the result of the link before.
  Operand value(const ChainOperand& operand, const Tensor& current) const {
    switch (operand.kind) {
      case Kind::kCurrent:
        return current;
      case Kind::kInput:
        return inputs_[operand.number];
      case Kind::kSide:
        return sides_[operand.number];
      default:
        return operand.fixed;
    }
  }

 private:
  bool descend(std::uint32_t link, Tensor x, Tensor& cotangent);
  [[gnu::noinline]] Tensor forward(Frame& frame, Tensor x);
  [[gnu::noinline]] void unwind(Frame& frame, Tensor& cotangent);
  void run_sides(std::uint32_t end, const Tensor& current);
  SmallVector<Operand, 4> gather(const ChainCall& call, const Tensor& current) const;
  void measure(std::uint32_t link);
  void hand_out(const Link& link, std::span<Tensor> grads, Tensor& cotangent);

  const Chain& chain_;
  std::span<const Tensor> inputs_;
  GradientTaker& taker_;
  StackUse& use_;
  std::vector<Tensor> sides_;
  std::uint32_t sides_done_ = 0;
  Tensor loss_;
  // Where the recursion goes on after it has left the machine stack, and the frames it left, deepest first.
  std::uint32_t next_link_ = 0, first_link_ = 0;
  Tensor next_x_;
  std::vector<Frame> moved_;
  StackRoom room_;
};

Tensor FrameVjp::g(int i) {
  if (i == 0) return cotangent_;
  const ops::OutputSpec& spec = link_.results[static_cast<std::size_t>(i)];
  return ops::full(spec.sizes, 0.0, spec.dtype);
}

Operand FrameVjp::in(int i) { return run_.value(link_.in[static_cast<std::size_t>(i)], frame_.input); }

bool FrameVjp::wants(int i) const {
  const ChainOperand& operand = link_.in[static_cast<std::size_t>(i)];
  return operand.parameter >= 0 || (operand.kind == Kind::kCurrent && link_.passes_on);
}

SmallVector<Operand, 4> Run::gather(const ChainCall& call, const Tensor& current) const {
  SmallVector<Operand, 4> operands;
  for (const ChainOperand& operand : call.in) operands.push_back(value(operand, current));
  return operands;
}

void Run::run_sides(std::uint32_t end, const Tensor& current) {
  for (; sides_done_ < end; ++sides_done_) {
    const SideCall& side = chain_.sides[sides_done_];
    const auto operands = gather(side, current);
    ops::thread_state().scope = side.scope;
    ops::emitter().emit(
        {*side.op, operands, side.attrs},
        {sides_.data() + side.first_value, static_cast<std::size_t>(side.op->record.outputs.size())});
  }
}

Tensor Run::forward(Frame& frame, Tensor x) {
  const Link& link = chain_.links[frame.link];
  run_sides(link.sides_end, x);
  Tensor out[ops::kMaxOutputs];
  const std::size_t outputs = link.results.size();
  {
    const auto operands = gather(link, x);
    ops::thread_state().scope = link.scope;
    ops::emitter().emit({*link.op, operands, link.attrs}, {out, outputs});
  }
  for (std::size_t i = 0; i < link.in.size(); ++i) {
    if (link.in[i].kind == Kind::kCurrent && (link.reads & ops::in(static_cast<int>(i)))) frame.input = x;
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    const bool is_read = link.reads & ops::out(static_cast<int>(i));
    if (is_read) {
      frame.results.resize(i + 1);
      frame.results[i] = out[i];
    }
  }
  return std::move(out[0]);
}

// Turns the cotangent of the link's result into that of its input.
void Run::unwind(Frame& frame, Tensor& cotangent) {
  const Link& link = chain_.links[frame.link];
  const std::size_t count = link.in.size();
  SmallVector<Tensor, 4> grads(count);
  {
    FrameVjp vjp(*this, link, frame, cotangent);
    SmallVector<bool, 8> wanted(count);
    for (std::size_t i = 0; i < count; ++i) wanted[i] = vjp.wants(static_cast<int>(i));
    ops::thread_state().scope = link.scope;
    apply_rules(link.op->record, vjp, wanted, {grads.data(), count});
  }
  // Every rule of this link has run: what it read can go, and its parameters may change.
  frame = {};
  hand_out(link, {grads.data(), count}, cotangent);
}

void Run::hand_out(const Link& link, std::span<Tensor> grads, Tensor& cotangent) {
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (grads[i] && !fit(grads[i], link.operands[i])) {
      fail("recursive_step: ", link.op->record.name, " returned a gradient of shape ",
           to_string(grads[i].sizes()), " for input ", i, ", whose shape is ",
           to_string(link.operands[i].sizes));
    }
  }
  cotangent = Tensor();
  for (std::size_t i = 0; i < grads.size(); ++i) {
    const ChainOperand& operand = link.in[i];
    if (operand.kind == Kind::kCurrent && link.passes_on && grads[i]) {
      cotangent = cotangent ? ops::add(cotangent, grads[i]) : std::move(grads[i]);
    }
  }
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (link.in[i].parameter >= 0 && grads[i])
      taker_.take(static_cast<std::size_t>(link.in[i].parameter), std::move(grads[i]));
  }
}

// What a frame takes: `link` is the deepest of this stretch.
void Run::measure(std::uint32_t link) {
  if (link > first_link_) use_.frame_bytes = std::max(use_.frame_bytes, room_.depth() / (link - first_link_));
  first_link_ = link;
}

// The recursive function. False when the machine stack is used up: the deepest call has then said where to go
// on, and every frame above it has been put aside.
bool Run::descend(std::uint32_t link, Tensor x, Tensor& cotangent) {
  if (link == chain_.links.size()) {
    measure(link);
    cotangent = ops::ones_like(x);
    loss_ = std::move(x);
    return true;
  }
  if (room_.is_used_up()) {
    measure(link);
    next_link_ = link;
    next_x_ = std::move(x);
    return false;
  }
  Frame frame{.link = link, .input = {}, .results = {}};
  if (!descend(link + 1, forward(frame, std::move(x)), cotangent)) {
    moved_.push_back(std::move(frame));
    return false;
  }
  unwind(frame, cotangent);
  return true;
}

Tensor Run::operator()() {
  std::vector<Frame> heap;
  Tensor cotangent;
  while (!descend(next_link_, std::move(next_x_), cotangent)) {
    heap.insert(heap.end(), std::move_iterator(moved_.rbegin()), std::move_iterator(moved_.rend()));
    moved_.clear();
  }
  use_.frames = chain_.links.size();
  use_.heap_frames = heap.size();
  use_.heap_frame_bytes = sizeof(Frame);
  while (!heap.empty()) {
    Frame frame = std::move(heap.back());
    heap.pop_back();
    unwind(frame, cotangent);
  }
  return std::move(loss_);
}

}  // namespace

Tensor run_by_recursion(const Chain& chain, std::span<const Tensor> inputs, GradientTaker& taker,
                        StackUse& use) {
  const ops::GradMode no_grad(false);
  const auto scope = ops::thread_state().scope;
  use = {};
  try {
    Tensor loss = Run(chain, inputs, taker, use)();
    ops::thread_state().scope = scope;
    return loss;
  } catch (...) {
    ops::thread_state().scope = scope;
    throw;
  }
}

}  // namespace unspool::exec
