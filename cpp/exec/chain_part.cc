// The same code computes a part through whatever emitter there is, so capturing it is running it under a
// trace.
#include "exec/chain_part.h"

#include <algorithm>

#include "base/error.h"
#include "exec/tape.h"
#include "exec/unwinder.h"
#include "ops/api.h"
#include "ops/arithmetic.h"
#include "ops/vjp.h"

namespace unspool::exec {

using ops::Operand;
using Kind = ChainOperand::Kind;

namespace {

// A call costs about as much as a small product, so small layers share one.
constexpr std::uint32_t kMostLinks = 8;
constexpr std::int64_t kSmall = 1 << 14;  // parameters

bool overlap_each_other(ChainPart::Arguments tensors) {
  SmallVector<const Storage*, 16> storages;
  for (const Tensor* tensor : tensors) {
    const Storage* storage = (*tensor)->storage.get();
    for (const Storage* other : storages) {
      if (storage->overlaps(*other)) return true;
    }
    storages.push_back(storage);
  }
  return false;
}

bool draws_numbers(const ops::Record& record) {
  return std::any_of(record.args.begin(), record.args.end(),
                     [](const ops::Arg& arg) { return arg.kind == ops::ArgKind::kGenerator; });
}

template <class T>
void append(std::string& text, const T& value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append(std::string& text, const Dims& dims) {
  append(text, dims.size());
  for (const std::int64_t d : dims) append(text, d);
}

void append(std::string& text, const ops::Attr& attr) {
  append(text, attr.kind());
  if (attr.kind() == ops::Attr::Kind::kDims)
    append(text, attr.dims());
  else if (attr.kind() == ops::Attr::Kind::kText)
    text.append(attr.text()).push_back('\0');
  else if (attr.kind() == ops::Attr::Kind::kFloat)
    append(text, attr.number());
  else if (!attr.is_none())
    append(text, attr.integer());
}

}  // namespace

// What the rules of one link read, found among the values of its part.
class PartVjp final : public ops::Vjp {
 public:
  PartVjp(const ChainPart& part, std::size_t link, Tensor& cotangent, std::span<const Tensor> kept,
          ChainPart::Arguments arguments)
      : Vjp({*part.link(link).op, {}, part.link(link).attrs}),
        part_(part),
        link_(link),
        cotangent_(cotangent),
        kept_(kept),
        arguments_(arguments) {}

  const Tensor& g(int i) override {
    if (i == 0) return cotangent_;
    const ops::OutputSpec& spec = link().results[static_cast<std::size_t>(i)];
    Tensor& zeros = zeros_[static_cast<std::size_t>(i)];
    if (!zeros) zeros = ops::full(spec.sizes, 0.0, spec.dtype);
    return zeros;
  }
  bool has_g(int i) const override { return i == 0; }
  Operand in(int i) override {
    const int place = part_.places_[link_].input;
    const Tensor& current = link_ == 0 ? *arguments_[0] : kept_[static_cast<std::size_t>(std::max(place, 0))];
    return part_.operand(link_, static_cast<std::size_t>(i), current, arguments_);
  }
  Tensor out(int i) override {
    return kept_[static_cast<std::size_t>(part_.places_[link_].results[static_cast<std::size_t>(i)])];
  }
  bool wants(int i) const override {
    const ChainOperand& operand = link().in[static_cast<std::size_t>(i)];
    return operand.parameter >= 0 || (operand.kind == Kind::kCurrent && link().passes_on);
  }
  const Dims& sizes(int i) const override { return link().operands[static_cast<std::size_t>(i)].sizes; }
  Dtype dtype(int i) const override { return link().operands[static_cast<std::size_t>(i)].dtype; }

 private:
  const Link& link() const { return part_.link(link_); }

  const ChainPart& part_;
  std::size_t link_;
  Tensor& cotangent_;
  Tensor zeros_[ops::kMaxOutputs];  // of the outputs that nothing flowed into, where a rule asks
  std::span<const Tensor> kept_;
  ChainPart::Arguments arguments_;
};

ChainPart::ChainPart(const RecordedChain& chain, std::uint32_t first, std::uint32_t last)
    : chain_(chain), first_(first), last_(last), places_(last - first) {
  for (const ChainOperand& operand : link(0).in) {
    reads_current_ = reads_current_ || operand.kind == Kind::kCurrent;
  }
  int next = reads_current_ ? 1 : 0;
  for (std::size_t k = 0; k < size(); ++k) {
    for (const ChainOperand& operand : link(k).in) {
      const bool is_tensor = operand.kind != Kind::kFixed || operand.fixed.is_tensor();
      const bool is_argument = is_tensor && operand.kind != Kind::kCurrent;
      places_[k].in.push_back(operand.kind == Kind::kCurrent ? kCurrent : is_argument ? next : kNumber);
      if (!is_argument) continue;
      operands_.push_back({&operand, operand.fixed.tensor()});
      ++next;
    }
  }
  for (std::size_t k = size(); k-- > 0;) {
    for (const ChainOperand& operand : link(k).in) {
      if (operand.parameter >= 0) parameters_.push_back(static_cast<std::uint32_t>(operand.parameter));
    }
  }
  plan_kept();
}

// Numbers the values that rules read: 0 is the result of the last link, the others follow.
void ChainPart::plan_kept() {
  const auto place_of_result = [&](std::size_t k, std::size_t i) {
    if (k + 1 == size() && i == 0) {
      keeps_result_ = true;
      return 0;
    }
    SmallVector<int, 4>& results = places_[k].results;
    if (results[i] < 0) results[i] = static_cast<int>(kept_++);
    return results[i];
  };
  for (std::size_t k = 0; k < size(); ++k) places_[k].results.resize(link(k).results.size(), -1);
  for (std::size_t k = 0; k < size(); ++k) {
    const Link& each = link(k);
    for (std::size_t i = 0; i < each.results.size(); ++i) {
      if (each.reads & ops::out(static_cast<int>(i))) places_[k].results[i] = place_of_result(k, i);
    }
    for (std::size_t i = 0; i < each.in.size(); ++i) {
      if (each.in[i].kind != Kind::kCurrent || !(each.reads & ops::in(static_cast<int>(i)))) continue;
      if (k == 0)
        keeps_current_ = true;
      else
        places_[k].input = place_of_result(k - 1, 0);
    }
  }
}

bool ChainPart::passes_on() const { return link(0).passes_on; }

Operand ChainPart::operand(std::size_t k, std::size_t i, const Tensor& current, Arguments arguments) const {
  const int place = places_[k].in[i];
  if (place == kCurrent) return current;
  return place == kNumber ? link(k).in[i].fixed : Operand(*arguments[static_cast<std::size_t>(place)]);
}

Values ChainPart::compute(Arguments arguments) const {
  Values values(kept_);
  Tensor current = reads_current_ ? *arguments[0] : Tensor();
  for (std::size_t k = 0; k < size(); ++k) {
    SmallVector<Operand, 4> operands;
    for (std::size_t i = 0; i < link(k).in.size(); ++i) operands.push_back(operand(k, i, current, arguments));
    Tensor out[ops::kMaxOutputs];
    ops::thread_state().scope = link(k).scope;
    ops::emitter().emit({*link(k).op, operands, link(k).attrs}, {out, link(k).results.size()});
    for (std::size_t i = 0; i < places_[k].results.size(); ++i) {
      const int place = places_[k].results[i];
      if (place > 0) values[static_cast<std::size_t>(place)] = out[i];
    }
    current = std::move(out[0]);
  }
  values[0] = std::move(current);
  return values;
}

Values ChainPart::unwind(const Tensor& cotangent, std::span<const Tensor> kept, Arguments arguments) const {
  Values gradients;
  Tensor arriving = cotangent;
  for (std::size_t k = size(); k-- > 0;) {
    const Link& each = link(k);
    const std::size_t count = each.in.size();
    PartVjp vjp(*this, k, arriving, kept, arguments);
    SmallVector<Tensor, 4> grads(count);
    SmallVector<bool, 8> wanted(count);
    for (std::size_t i = 0; i < count; ++i) wanted[i] = vjp.wants(static_cast<int>(i));
    ops::thread_state().scope = each.scope;
    apply_rules(each.op->record, vjp, wanted, {grads.data(), count});
    Tensor passed;
    for (std::size_t i = 0; i < count; ++i) {
      if (!wanted[i]) continue;
      if (!grads[i] || !fit(grads[i], each.operands[i])) {
        fail("recursive_step: ", each.op->record.name, " gave no gradient of shape ",
             to_string(each.operands[i].sizes), " for input ", i);
      }
      if (each.in[i].parameter >= 0)
        gradients.push_back(std::move(grads[i]));
      else
        passed = passed ? ops::add(passed, grads[i]) : std::move(grads[i]);
    }
    arriving = std::move(passed);
  }
  if (passes_on()) gradients.insert(0, std::move(arriving));
  return gradients;
}

std::string ChainPart::looks(Arguments arguments) const {
  std::string text;
  for (std::size_t k = 0; k < size(); ++k) {
    const Link& each = link(k);
    append(text, each.op->id);
    append(text, each.reads);
    append(text, each.passes_on);
    for (std::size_t i = 0; i < each.in.size(); ++i) {
      append(text, places_[k].in[i]);
      append(text, each.in[i].parameter >= 0);
      if (places_[k].in[i] != kNumber) continue;
      append(text, each.in[i].fixed.kind());
      if (each.in[i].fixed.is_number()) append(text, each.in[i].fixed.number());
    }
    for (const ops::Attr& attr : each.attrs) append(text, attr);
  }
  for (const Tensor* argument : arguments) {
    append(text, argument->dtype());
    append(text, argument->sizes());
    append(text, argument->strides());
  }
  return text;
}

void ChainPart::find_programs(Arguments arguments, Known& known) {
  is_prepared_ = true;
  for (std::size_t k = 0; k < size(); ++k) {
    if (draws_numbers(link(k).op->record)) return;
  }
  std::shared_ptr<PartPrograms>& place = known[looks(arguments)];
  if (!place && !overlap_each_other(arguments)) {
    place = std::make_shared<PartPrograms>();
    std::vector<Tensor> inputs;
    for (const Tensor* argument : arguments) {
      place->arguments.emplace_back(*argument);
      inputs.push_back(*argument);
    }
    Trace trace(std::move(inputs));
    const Tracing tracing(trace);
    const Values values = compute(arguments);
    place->forward = std::make_unique<Program>(trace.finish({values.data(), values.size()}));
  }
  programs_ = place;
}

// Programs take it for granted that no two inputs lie in the same memory.
bool ChainPart::have_fitting_programs(Arguments arguments) const {
  if (!programs_) return false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!programs_->arguments[i].fits(*arguments[i])) return false;
  }
  return !overlap_each_other(arguments);
}

Values ChainPart::compute_fast(Arguments arguments, Known& known) {
  if (!is_prepared_) find_programs(arguments, known);
  if (!have_fitting_programs(arguments)) return compute(arguments);
  Values values(kept_);
  programs_->forward->run(arguments, {values.data(), values.size()});
  return values;
}

void ChainPart::capture_unwinding(const Tensor& cotangent, std::span<const Tensor> kept,
                                  Arguments arguments) const {
  std::vector<Tensor> inputs{cotangent};
  inputs.insert(inputs.end(), kept.begin(), kept.end());
  for (const Tensor* argument : arguments) inputs.push_back(*argument);
  for (Tensor& input : inputs) {
    if (!input) input = Tensor::empty({}, Dtype::kFloat32);  // nobody reads it
  }
  programs_->cotangent.emplace(cotangent);
  Trace trace(inputs);
  const Tracing tracing(trace);
  SmallVector<const Tensor*, 16> now;
  for (std::size_t i = 1 + kept.size(); i < inputs.size(); ++i) now.push_back(&inputs[i]);
  const Values gradients =
      unwind(cotangent, std::span(inputs).subspan(1, kept.size()), {now.data(), now.size()});
  programs_->backward = std::make_unique<Program>(trace.finish({gradients.data(), gradients.size()}));
}

Values ChainPart::unwind_fast(const Tensor& cotangent, std::span<const Tensor> kept,
                              Arguments arguments) const {
  const auto is_apart = [&](const Tensor& other) {
    return !other || !cotangent->storage->overlaps(*other->storage);
  };
  const bool is_captured = programs_ && programs_->backward;
  const auto is_as_captured = [&](const std::optional<Geometry>& captured) {
    return captured && captured->fits(cotangent);
  };
  const bool fits =
      programs_ && std::all_of(kept.begin(), kept.end(), is_apart) &&
      std::all_of(arguments.begin(), arguments.end(), [&](const Tensor* each) { return is_apart(*each); }) &&
      (!is_captured || is_as_captured(programs_->cotangent));
  if (!fits) return unwind(cotangent, kept, arguments);
  if (!is_captured) capture_unwinding(cotangent, kept, arguments);
  SmallVector<const Tensor*, 24> inputs{&cotangent};
  for (const Tensor& each : kept) inputs.push_back(&each);
  inputs.append(arguments.begin(), arguments.end());
  Values gradients(programs_->backward->output_count());
  programs_->backward->run({inputs.data(), inputs.size()}, {gradients.data(), gradients.size()});
  return gradients;
}

std::vector<ChainPart> parts_of(const RecordedChain& chain) {
  std::vector<ChainPart> parts;
  const auto parameters = [&](std::uint32_t i) {
    std::int64_t count = 0;
    for (const ChainOperand& operand : chain.links[i].in) {
      if (operand.parameter >= 0) count += operand.fixed.impl().numel;
    }
    return count;
  };
  std::uint32_t first = 0;
  std::int64_t held = parameters(0);
  for (std::uint32_t i = 1; i <= chain.links.size(); ++i) {
    const bool is_end = i == chain.links.size();
    const bool has_sides = !is_end && chain.links[i].sides_end > chain.links[i - 1].sides_end;
    const std::int64_t more = is_end ? 0 : parameters(i);
    if (is_end || has_sides || (more > 0 && held + more > kSmall) || i - first == kMostLinks) {
      parts.emplace_back(chain, first, i);
      first = i;
      held = 0;
    }
    held += more;
  }
  return parts;
}

}  // namespace unspool::exec
