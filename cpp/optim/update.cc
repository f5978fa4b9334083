// Checking, gathering and emitting of one step.
#include "optim/update.h"

#include <bit>
#include <utility>

#include "base/error.h"
#include "ops/api.h"
#include "ops/shape.h"

namespace unspool::optim {
namespace {

using Groups = std::span<const ops::Operand>;

// Places in a group.
constexpr std::size_t kParameter = 0, kGradient = 1, kStates = 2;

[[noreturn, gnu::cold]] void refuse(const Rule& rule, std::string_view what, const Tensor& tensor,
                                    const Tensor& parameter) {
  const bool is_dtype = tensor.dtype() != parameter.dtype();
  if (is_dtype) {
    fail(rule.name(), ".step: ", what, " has dtype ", name(tensor.dtype()), " but its parameter has ",
         name(parameter.dtype()), "; convert it with to()");
  }
  fail(rule.name(), ".step: ", what, " has shape ", to_string(tensor.sizes()), " but its parameter has ",
       to_string(parameter.sizes()));
}

bool fits(const Tensor& tensor, const Tensor& parameter) {
  return tensor.dtype() == parameter.dtype() && tensor.sizes() == parameter.sizes();
}

void check_writable(const Rule& rule, std::string_view what, const Tensor& tensor) {
  if (tensor->storage->writable()) return;
  fail(rule.name(), ".step: ", what, " shares memory with a read-only array; clone() it first");
}

void emit(const Rule& rule, Groups groups, std::span<const ops::Attr> attributes) {
  ops::emitter().emit({rule.op(), groups, attributes}, {});
}

void copy_into(const Tensor& target, const ops::Operand& source) {
  const ops::Operand operands[2] = {target, source};
  const ops::Attr attributes[1] = {false};
  ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attributes}, target);
}

// The operation on contiguous copies of what is not contiguous, copied back afterwards.
void emit_strided(const Rule& rule, Groups groups, std::span<const ops::Attr> attributes) {
  const std::size_t arity = kStates + static_cast<std::size_t>(rule.states().size());
  std::vector<ops::Operand> dense(groups.begin(), groups.end());
  for (ops::Operand& operand : dense) {
    if (!operand.impl().contiguous) operand = ops::contiguous(operand.tensor());
  }
  emit(rule, dense, attributes);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].impl().contiguous && i % arity != kGradient) copy_into(groups[i].tensor(), dense[i]);
  }
}

// Whether a parameter was added twice, by open addressing over the addresses.
bool has_repeated_parameter(Groups groups, std::size_t arity) {
  const std::size_t count = groups.size() / arity;
  if (count < 2) return false;
  const std::size_t size = std::bit_ceil(2 * count);
  std::vector<const TensorImpl*> seen(size, nullptr);
  for (std::size_t i = 0; i < groups.size(); i += arity) {
    const TensorImpl* parameter = &groups[i + kParameter].impl();
    std::size_t place = (reinterpret_cast<std::uintptr_t>(parameter) * 0x9E3779B97F4A7C15u) >> 32;
    for (place &= size - 1; seen[place]; place = (place + 1) & (size - 1)) {
      if (seen[place] == parameter) return true;
    }
    seen[place] = parameter;
  }
  return false;
}

}  // namespace

Update::Bucket& Update::bucket_of(Dtype dtype, const Phase& phase, std::size_t arity) {
  // Newest first: the parameters of a group mostly agree.
  for (std::size_t i = buckets_.size(); i-- > 0;) {
    if (buckets_[i].dtype == dtype && buckets_[i].phase == phase) return buckets_[i];
  }
  const bool is_first = buckets_.empty();
  Bucket& bucket = buckets_.emplace_back(Bucket{.dtype = dtype, .phase = phase, .groups = {}});
  if (is_first) {
    bucket.groups = std::move(spare_);
    bucket.groups.reserve(expected_ * arity);
  }
  return bucket;
}

const Attributes& Update::attributes_of(const Phase& phase) {
  if (attributes_.empty() || !(phase_ == phase)) {
    attributes_ = rule_.attributes(phase);
    phase_ = phase;
  }
  return attributes_;
}

std::size_t Update::add(Tensor parameter, Tensor gradient, Kept states, const Phase& phase) {
  if (!is_floating(parameter.dtype())) {
    fail(rule_.name(), ".step: a parameter of dtype ", name(parameter.dtype()),
         " cannot be updated; only float32 and float64 can");
  }
  if (!fits(gradient, parameter)) refuse(rule_, "the gradient", gradient, parameter);
  check_writable(rule_, "the parameter", parameter);
  bool is_contiguous = parameter.is_contiguous() && gradient.is_contiguous();
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (!fits(states[i], parameter)) {
      refuse(rule_, std::string("state '") + rule_.states()[static_cast<int>(i)].name + "'", states[i],
             parameter);
    }
    check_writable(rule_, "the state", states[i]);
    is_contiguous = is_contiguous && states[i].is_contiguous();
  }
  Bucket& bucket = bucket_of(parameter.dtype(), phase, kStates + states.size());
  bucket.is_strided = bucket.is_strided || !is_contiguous;
  bucket.groups.emplace_back(std::move(parameter));
  bucket.groups.emplace_back(std::move(gradient));
  for (Tensor& state : states) bucket.groups.emplace_back(std::move(state));
  return static_cast<std::size_t>(&bucket - buckets_.begin());
}

void Update::run(const std::function<void(std::size_t)>& before) {
  const ops::GradMode no_grad(false);
  const std::size_t arity = kStates + static_cast<std::size_t>(rule_.states().size());
  for (const Bucket& bucket : buckets_) {
    if (before) before(static_cast<std::size_t>(&bucket - buckets_.begin()));
    const Attributes& attributes = attributes_of(bucket.phase);
    const auto emit_groups = bucket.is_strided ? emit_strided : emit;
    const bool is_repeated = has_repeated_parameter(bucket.groups, arity);
    const std::size_t stride = is_repeated ? arity : bucket.groups.size();
    for (std::size_t i = 0; i < bucket.groups.size(); i += stride) {
      emit_groups(rule_, Groups(bucket.groups).subspan(i, stride), attributes);
    }
  }
  if (!buckets_.empty()) {
    buckets_[0].groups.clear();
    spare_ = std::move(buckets_[0].groups);
  }
  buckets_.clear();
}

}  // namespace unspool::optim
