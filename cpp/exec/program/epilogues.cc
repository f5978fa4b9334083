// One walk: for each product, the one instruction that reads its result, if it may come at once.
#include "exec/program/epilogues.h"

#include <algorithm>
#include <optional>

#include "exec/program/uses.h"
#include "ops/finishing.h"
#include "ops/matmul.h"
#include "ops/record.h"
#include "ops/reduction.h"

namespace unspool::exec {
namespace {

template <class... Ops>
std::optional<std::int64_t> place_in(ops::OpList<Ops...>, const ops::Op* op) {
  std::int64_t place = -1, i = 0;
  ((place = op == &ops::op_of<Ops> ? i : place, ++i), ...);
  return place < 0 ? std::nullopt : std::optional(place);
}

bool is_product(const Instruction& instruction) {
  const bool is_linear = instruction.op == &ops::op_of<ops::Linear>;
  if (!is_linear && instruction.op != &ops::op_of<ops::Mm>) return false;
  const Place& out = instruction.out[0];
  if (!is_floating(out.dtype) || numel(out.sizes) == 0 || instruction.then) return false;
  // The kernel adds a bias with gaps, or that of a weight without rows, afterwards.
  return !is_linear || (instruction.in[1].place.sizes.size() == 2 &&
                        (!instruction.in[2].is_tensor() || instruction.in[2].place.is_contiguous()));
}

// The same elements in the same order.
bool is_same_memory(const Place& a, const Place& b) {
  return a.buffer == b.buffer && a.offset == b.offset && a.dtype == b.dtype && a.is_contiguous() &&
         b.is_contiguous() && numel(a.sizes) == numel(b.sizes);
}

// What of an element-wise instruction a product would take along.
struct Ending {
  std::int64_t function;
  double parameter = 0;
  const Argument* other = nullptr;
};

std::optional<Ending> ending_of(const Instruction& instruction, const Place& product) {
  const std::optional<std::int64_t> function = place_in(ops::FinishingOps{}, instruction.op);
  if (!function || instruction.compute != product.dtype) return std::nullopt;
  const Place& out = instruction.out[0];
  if (out.dtype != product.dtype || !out.is_contiguous() || numel(out.sizes) != numel(product.sizes))
    return std::nullopt;
  Ending ending{*function};
  if (!instruction.attrs.empty()) ending.parameter = instruction.attrs[0].number();
  const bool is_sum = instruction.op == &ops::op_of<ops::Add>;
  if (is_sum && ending.parameter != 1) return std::nullopt;
  int products = 0;
  for (std::size_t i = 0; i < instruction.in.size(); ++i) {
    const Argument& argument = instruction.in[i];
    const bool may_come_second = is_sum || instruction.op == &ops::op_of<ops::Mul>;
    if (argument.is_tensor() && argument.place.buffer == product.buffer) {
      if (!is_same_memory(argument.place, product) || (i > 0 && !may_come_second)) return std::nullopt;
      ++products;
    } else {
      if (!argument.is_tensor() || argument.place.dtype != product.dtype) return std::nullopt;
      if (argument.place.sizes != out.sizes || !argument.place.is_contiguous()) return std::nullopt;
      ending.other = &argument;
    }
  }
  if (products != 1) return std::nullopt;
  return ending;
}

// Whether what instruction `later` does may be done by the product `at` already.
bool may_come_at_once(const Recording& recording, const Uses& uses, std::size_t at, std::size_t later,
                      const Ending& ending) {
  const Instruction& product = recording.instructions[at];
  const Place &out = recording.instructions[later].out[0], &sums = product.out[0];
  if (out.buffer != sums.buffer) {
    if (uses.any(out.buffer, at, later)) return false;
    if (uses.any(sums.buffer, later, uses.end())) return false;
    for (const Argument& argument : product.in) {
      if (argument.is_tensor() && argument.place.buffer == out.buffer) return false;
    }
  }
  if (!ending.other) return true;
  const Place& other = ending.other->place;
  if (uses.any_write(other.buffer, at, later)) return false;
  if (other.buffer != out.buffer) return true;
  // Adding to what is there; a bias would have to come first.
  const bool has_bias = product.in.size() > 2 && product.in[2].is_tensor();
  return is_same_memory(other, out) && recording.instructions[later].op == &ops::op_of<ops::Add> && !has_bias;
}

// Whether the product fills memory that nothing else has used before.
bool is_fresh(const Recording& recording, const Uses& uses, std::size_t at) {
  const Place& out = recording.instructions[at].out[0];
  const Buffer& buffer = recording.buffers[out.buffer];
  return buffer.kind == Buffer::Kind::kTemporary && out.is_contiguous() && uses.first(out.buffer) == at &&
         static_cast<std::size_t>(numel(out.sizes)) * size_of(out.dtype) == buffer.bytes;
}

// Whether the instruction sums the columns of the product's result, and nothing else has used the memory for
// the sums since the product.
bool is_column_sum(const Recording& recording, const Uses& uses, std::size_t at, std::size_t later) {
  const Instruction &product = recording.instructions[at], &sum = recording.instructions[later];
  const Place& result = product.out[0];
  if (sum.op != &ops::op_of<ops::SumOp> || !is_same_memory(sum.in[0].place, result)) return false;
  const Place &from = sum.in[0].place, &to = sum.out[0];
  const std::size_t ndim = from.sizes.size();
  const std::int64_t columns =
      product.op == &ops::op_of<ops::Mm> ? product.in[1].place.sizes[1] : product.in[1].place.sizes[0];
  // One column is summed in another order.
  if (ndim < 2 || columns < 2 || from.sizes.back() != columns || to.dtype != from.dtype) return false;
  if (!to.is_contiguous() || numel(to.sizes) != columns || sum.attrs[0].kind() == ops::Attr::Kind::kNone)
    return false;
  const Dims dims =
      sum.attrs[0].kind() == ops::Attr::Kind::kInt ? Dims{sum.attrs[0].integer()} : sum.attrs[0].dims();
  std::vector<bool> is_summed(ndim);
  for (const std::int64_t d : dims)
    is_summed[static_cast<std::size_t>(d < 0 ? d + static_cast<std::int64_t>(ndim) : d)] = true;
  if (is_summed.back() ||
      std::count(is_summed.begin(), is_summed.end(), true) + 1 != static_cast<std::ptrdiff_t>(ndim))
    return false;
  const bool is_operand = std::any_of(product.in.begin(), product.in.end(), [&](const Argument& argument) {
    return argument.is_tensor() && argument.place.buffer == to.buffer;
  });
  return !is_operand && to.buffer != result.buffer && !uses.any(to.buffer, at, later);
}

// Where a result's columns are summed before it is changed; end() if nowhere.
std::size_t column_sum_of(const Recording& recording, const Uses& uses, std::size_t at) {
  const BufferId id = recording.instructions[at].out[0].buffer;
  for (std::size_t later = uses.next(id, at); later != uses.end(); later = uses.next(id, later)) {
    if (is_column_sum(recording, uses, at, later)) return later;
    if (uses.any_write(id, later - 1, later + 1)) break;
  }
  return uses.end();
}

}  // namespace

void end_products(Recording& recording) {
  Uses uses(recording);
  std::vector<bool> is_taken(recording.instructions.size());
  const auto take = [&](std::size_t later, std::size_t at) {
    uses.move(recording, later, at);
    is_taken[later] = true;
  };
  for (std::size_t at = 0; at < recording.instructions.size(); ++at) {
    Instruction& product = recording.instructions[at];
    if (is_taken[at] || !is_product(product)) continue;
    const std::size_t later =
        is_fresh(recording, uses, at) ? uses.next(product.out[0].buffer, at) : uses.end();
    if (later != uses.end()) {
      const Instruction& follower = recording.instructions[later];
      const std::optional<Ending> ending = ending_of(follower, product.out[0]);
      if (ending && may_come_at_once(recording, uses, at, later, *ending)) {
        product.then = follower.op;
        product.attrs = {ops::Attr(ending->function), ops::Attr(ending->parameter)};
        if (ending->other) product.in.push_back(*ending->other);
        product.out[0] = follower.out[0];
        take(later, at);
      }
    }
    const std::size_t sum = column_sum_of(recording, uses, at);
    if (sum == uses.end()) continue;
    product.out.push_back(recording.instructions[sum].out[0]);
    take(sum, at);
  }
  std::size_t next = 0;
  std::erase_if(recording.instructions, [&](const Instruction&) { return is_taken[next++]; });
}

}  // namespace unspool::exec
