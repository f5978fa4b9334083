// The recursive function, and what a frame does on the way in and on the way out.
#include "exec/returning.h"

#include <algorithm>
#include <utility>

#include "base/machine_stack.h"
#include "ops/api.h"

namespace unspool::exec {
namespace {

using Kind = ChainOperand::Kind;

// What a call keeps until it returns.
struct Frame {
  std::uint32_t part = 0;
  Tensor input;  // the result of the part before, when a rule reads it
  Values kept;   // what the part computed, as far as a rule reads it
};

class Run {
 public:
  Run(const RecordedChain& chain, std::vector<ChainPart>& parts, ChainPart::Known& known,
      std::span<const Tensor> inputs, GradientTaker& taker, StackUse& use)
      : chain_(chain),
        parts_(parts),
        known_(known),
        inputs_(inputs),
        taker_(taker),
        use_(use),
        sides_(chain.side_values) {}

  Tensor operator()();

 private:
  bool descend(std::uint32_t part, Tensor x, Tensor& cotangent);
  [[gnu::noinline]] Tensor forward(Frame& frame, Tensor x);
  [[gnu::noinline]] void unwind(Frame& frame, Tensor& cotangent);
  // Of operands that are not fixed.
  const Tensor* tensor_of(const ChainOperand& operand, const Tensor* current) const;
  SmallVector<const Tensor*, 16> arguments_of(const ChainPart& part, const Tensor& x) const;
  void run_sides(std::uint32_t end, const Tensor& current);
  void measure(std::uint32_t part);

  const RecordedChain& chain_;
  std::vector<ChainPart>& parts_;
  ChainPart::Known& known_;
  std::span<const Tensor> inputs_;
  GradientTaker& taker_;
  StackUse& use_;
  std::vector<Tensor> sides_;
  std::uint32_t sides_done_ = 0;
  Tensor loss_;
  // Where the recursion goes on after it has left the machine stack, and the frames it left, deepest first.
  std::uint32_t next_part_ = 0, first_part_ = 0;
  Tensor next_x_;
  std::vector<Frame> moved_;
  StackRoom room_;
};

const Tensor* Run::tensor_of(const ChainOperand& operand, const Tensor* current) const {
  switch (operand.kind) {
    case Kind::kCurrent:
      return current;
    case Kind::kInput:
      return &inputs_[operand.number];
    default:
      return &sides_[operand.number];
  }
}

SmallVector<const Tensor*, 16> Run::arguments_of(const ChainPart& part, const Tensor& x) const {
  SmallVector<const Tensor*, 16> arguments;
  if (part.reads_current()) arguments.push_back(&x);
  for (const PartOperand& operand : part.operands())
    arguments.push_back(operand.fixed ? &operand.fixed : tensor_of(*operand.in_chain, &x));
  return arguments;
}

void Run::run_sides(std::uint32_t end, const Tensor& current) {
  for (; sides_done_ < end; ++sides_done_) {
    const SideCall& side = chain_.sides[sides_done_];
    SmallVector<ops::Operand, 4> operands;
    for (const ChainOperand& operand : side.in) {
      operands.push_back(operand.kind == Kind::kFixed ? operand.fixed : *tensor_of(operand, &current));
    }
    ops::thread_state().scope = side.scope;
    ops::emitter().emit(
        {*side.op, operands, side.attrs},
        {sides_.data() + side.first_value, static_cast<std::size_t>(side.op->record.outputs.size())});
  }
}

Tensor Run::forward(Frame& frame, Tensor x) {
  ChainPart& part = parts_[frame.part];
  run_sides(chain_.links[part.first()].sides_end, x);
  const auto arguments = arguments_of(part, x);
  frame.kept = part.compute_fast({arguments.data(), arguments.size()}, known_);
  if (part.keeps_current()) frame.input = std::move(x);
  return part.keeps(0) ? frame.kept[0] : std::move(frame.kept[0]);
}

// Turns the cotangent of the part's result into that of its input.
void Run::unwind(Frame& frame, Tensor& cotangent) {
  const ChainPart& part = parts_[frame.part];
  const auto arguments = arguments_of(part, frame.input);
  Values gradients = part.unwind_fast(cotangent, {frame.kept.data(), frame.kept.size()},
                                      {arguments.data(), arguments.size()});
  // Every rule of this part has run: what it read can go, and its parameters may change.
  frame = {};
  std::size_t next = 0;
  cotangent = part.passes_on() ? std::move(gradients[next++]) : Tensor();
  for (const std::uint32_t parameter : part.parameters())
    taker_.take(parameter, std::move(gradients[next++]));
  taker_.returned();
}

// What a frame takes: `part` is the deepest of this stretch.
void Run::measure(std::uint32_t part) {
  if (part > first_part_) use_.frame_bytes = std::max(use_.frame_bytes, room_.depth() / (part - first_part_));
  first_part_ = part;
}

// The recursive function. False when the machine stack is used up: the deepest call has then said where to go
// on, and every frame above it has been put aside.
bool Run::descend(std::uint32_t part, Tensor x, Tensor& cotangent) {
  if (part == parts_.size()) {
    measure(part);
    cotangent = ops::ones_like(x);
    loss_ = std::move(x);
    return true;
  }
  if (room_.is_used_up()) {
    measure(part);
    next_part_ = part;
    next_x_ = std::move(x);
    return false;
  }
  Frame frame{.part = part, .input = {}, .kept = {}};
  if (!descend(part + 1, forward(frame, std::move(x)), cotangent)) {
    moved_.push_back(std::move(frame));
    return false;
  }
  unwind(frame, cotangent);
  return true;
}

Tensor Run::operator()() {
  std::vector<Frame> heap;
  Tensor cotangent;
  while (!descend(next_part_, std::move(next_x_), cotangent)) {
    heap.insert(heap.end(), std::move_iterator(moved_.rbegin()), std::move_iterator(moved_.rend()));
    moved_.clear();
  }
  use_.frames = parts_.size();
  use_.heap_frames = heap.size();
  use_.heap_frame_bytes = sizeof(Frame);
  while (!heap.empty()) {
    Frame frame = std::move(heap.back());
    heap.pop_back();
    unwind(frame, cotangent);
  }
  return std::move(loss_);
}

// The module that is running is what it was before, whatever happens.
class KeepScope {
 public:
  KeepScope() : before_(ops::thread_state().scope) {}
  ~KeepScope() { ops::thread_state().scope = before_; }
  KeepScope(const KeepScope&) = delete;
  KeepScope& operator=(const KeepScope&) = delete;

 private:
  const ops::Scope* before_;
};

}  // namespace

ReturningStep::ReturningStep(RecordedChain chain) : chain_(std::move(chain)), parts_(parts_of(chain_)) {}

Tensor ReturningStep::run(std::span<const Tensor> inputs, GradientTaker& taker, StackUse& use) {
  const ops::GradMode no_grad(false);
  const KeepScope keep;
  use = {};
  return Run(chain_, parts_, known_, inputs, taker, use)();
}

}  // namespace unspool::exec
