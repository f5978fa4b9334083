// From kernel calls to values that know their makers.
#include "exec/recompute/replay_recorder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "exec/program/passes.h"
#include "ops/api.h"

namespace unspool::exec {
namespace {

bool fills(const Tensor& target) {
  return target.is_contiguous() && target->offset == 0 &&
         static_cast<std::size_t>(target.numel()) * size_of(target.dtype()) == target->storage->bytes();
}

// Seconds, roughly, of a call that goes through the memory of its operands and results, and that multiplies
// if it is a product: of (m k) and (k n) elements, k squared is the quotient with the result's.
double estimate(const ops::Call& call, std::span<const Tensor> out) {
  double bytes = 0, operands = 1;
  int tensors = 0;
  for (const ops::Operand& operand : call.in) {
    if (!operand.is_tensor()) continue;
    const auto elements = static_cast<double>(operand.impl().numel);
    bytes += elements * static_cast<double>(size_of(operand.impl().dtype));
    if (tensors++ < 2) operands *= std::max(elements, 1.0);
  }
  double results = 0;
  for (const Tensor& tensor : out) {
    results += static_cast<double>(tensor.numel());
    bytes += static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()));
  }
  const std::string_view name = call.op.record.name;
  const bool is_product =
      name.find("mm") != std::string_view::npos || name.find("matmul") != std::string_view::npos ||
      name.find("linear") != std::string_view::npos || name.find("conv") != std::string_view::npos;
  const double flops =
      is_product && tensors > 1 ? 2 * results * std::sqrt(operands / std::max(results, 1.0)) : 0;
  return 5e-7 + bytes / 1e10 + flops / 5e10;
}

}  // namespace

void ReplayRecorder::died(std::uint32_t number) noexcept {
  if (number < values_.size() && values_[number]) dead_.push_back(std::move(values_[number]));
}

// What died is let go here and not where it died: that takes other values along.
void ReplayRecorder::bury() {
  std::vector<Ref<Value>> dead;
  {
    const std::lock_guard lock(mutex());
    dead.swap(dead_);
  }
}

Ref<Value> ReplayRecorder::recomputable(const Tensor& tensor) const {
  const Storage& storage = *tensor->storage;
  if (!follows(storage)) return nullptr;
  const Ref<Value>& value = values_[number_of(storage)];
  return value && !value->is_source() && value->version() == storage.version() ? value : nullptr;
}

Ref<Value> ReplayRecorder::source_of(const Tensor& tensor) {
  const Ref<Storage>& storage = tensor->storage;
  Ref<Value>& known = sources_[storage.get()];
  if (!known || known->version() != storage->version())
    known = Ref<Value>(new Value(storage, storage->version(), nullptr, 0));
  const Ref<Value> found = known;
  if (sources_.size() > most_sources_) {
    std::erase_if(sources_, [](const auto& each) { return each.second->ref_count() == 1; });
    most_sources_ = std::max<std::size_t>(64, 2 * sources_.size());
  }
  return found;
}

Ref<Value> ReplayRecorder::value_of(const Tensor& tensor) {
  const Storage& storage = *tensor->storage;
  if (follows(storage)) {
    const Ref<Value>& value = values_[number_of(storage)];
    if (value && value->version() == storage.version()) return value;
  }
  return source_of(tensor);
}

ValuePlace ReplayRecorder::place_of(const Tensor& tensor) {
  return {value_of(tensor), tensor.sizes(), tensor.strides(), tensor->offset, tensor.dtype()};
}

Ref<Replay> ReplayRecorder::replay_of(const Launched& launch) {
  Ref<Replay> replay(new Replay(launch.call.op));
  replay->sequence = number_call();
  replay->work = estimate(launch.call, launch.out);
  replay->attrs.assign(launch.call.attrs.begin(), launch.call.attrs.end());
  replay->outputs.resize(std::max<std::size_t>(launch.out.size(), 1));
  if (draws(launch.call.op.record)) replay->random = std::move(random_);
  for (const ops::Operand& operand : launch.call.in) {
    ReplayOperand& kept = replay->operands.emplace_back();
    kept.is_tensor = operand.is_tensor();
    if (!operand.is_tensor()) {
      kept.number = operand;
    } else if (!launch.fresh && operand.impl().storage == launch.out[0]->storage) {
      const TensorImpl& own = operand.impl();
      kept.place = {nullptr, own.sizes, own.strides, own.offset, own.dtype};
    } else {
      kept.place = place_of(operand.tensor());
    }
  }
  return replay;
}

void ReplayRecorder::made(const Tensor& tensor, const Ref<Replay>& replay, std::size_t output) {
  Storage& storage = *tensor->storage;
  const Ref<Value> value(
      new Value(tensor->storage, storage.version(), replay, static_cast<std::uint32_t>(output)));
  if (!regions_.empty()) value->set_region(regions_.back());
  const std::lock_guard lock(mutex());
  values_.push_back(value);
  follow(storage, static_cast<std::uint32_t>(values_.size() - 1));
}

void ReplayRecorder::written(const Tensor& tensor, const Ref<Replay>& replay) {
  Storage& storage = *tensor->storage;
  const Ref<Value> old = values_[number_of(storage)];
  const bool reads_itself = std::any_of(replay->operands.begin(), replay->operands.end(),
                                        [](const auto& each) { return each.is_tensor && !each.place.value; });
  replay->is_in_place = true;
  replay->bytes = storage.bytes();
  replay->target = {nullptr, tensor.sizes(), tensor.strides(), tensor->offset, tensor.dtype()};
  if (reads_itself || !fills(tensor)) replay->before = old;
  // The version is counted up after the kernel.
  const Ref<Value> value(new Value(tensor->storage, storage.version() + 1, replay, 0));
  value->set_region(old->region());
  old->drop();
  const std::lock_guard lock(mutex());
  values_[number_of(storage)] = value;
}

void ReplayRecorder::launched(const Launched& launch) {
  bury();
  if (launch.out.empty() || !ops::thread_state().grad_enabled) return;
  if (launch.fresh) {
    const Ref<Replay> replay = replay_of(launch);
    for (std::size_t i = 0; i < launch.out.size(); ++i) made(launch.out[i], replay, i);
    return;
  }
  if (recomputable(launch.out[0])) written(launch.out[0], replay_of(launch));
}

// What recorded calls have read must stay as it was for them.
void ReplayRecorder::before_write(const Storage& storage) {
  const auto found = sources_.find(&storage);
  if (found == sources_.end()) return;
  const Ref<Value> value = std::move(found->second);
  sources_.erase(found);
  if (value->ref_count() == 1 || !value->is_here()) return;
  Ref<Storage> copy = Storage::allocate(storage.bytes());
  std::memcpy(copy->data(), storage.data(), storage.bytes());
  value->put(std::move(copy));
}

void ReplayRecorder::save_random_state(const ops::Call& call) {
  if (!ops::thread_state().grad_enabled || !draws(call.op.record)) return;
  const ops::Attr& given = call.attrs.back();
  Generator& generator = given.is_none() ? *default_generator() : *given.generator();
  random_ = std::make_unique<MersenneState>(generator.state());
}

void ReplayRecorder::emit(const ops::Call& call, std::span<Tensor> out) {
  save_random_state(call);
  if (call.op.record.kind == ops::Kind::kUpdate) {
    for (const ops::Operand& operand : call.in) {
      if (operand.is_tensor()) before_write(*operand.impl().storage);
    }
  }
  Eager::emit(call, out);
}

void ReplayRecorder::emit_into(const ops::Call& call, const Tensor& target) {
  save_random_state(call);
  before_write(*target->storage);
  Eager::emit_into(call, target);
}

void ReplayRecorder::read_on_host(const Tensor& tensor, std::string_view who) {
  // Whoever sees the memory may write to it unnoticed.
  if (who != "numpy" && who != "dlpack" && who != "data_ptr") return;
  if (const Ref<Value> value = recomputable(tensor)) value->pin(tensor->storage);
}

Ref<Region> ReplayRecorder::enter(bool keeps) {
  Ref<Region> region(new Region(regions_.empty() ? nullptr : regions_.back()));
  region->keeps = keeps;
  regions_.push_back(region);
  return region;
}

void ReplayRecorder::leave(std::span<const Tensor> results) {
  const Ref<Region> region = std::move(regions_.back());
  regions_.pop_back();
  for (const Tensor& result : results) {
    const Ref<Value> value = recomputable(result);
    if (!value || !(value->region() == region)) continue;
    value->set_region(region->parent);
    if (value->is_held() && (!region->parent || region->parent->keeps)) value->put(result->storage);
  }
  if (!region->keeps) {
    for (Value* value : region->values) value->drop();
  }
  bury();
}

void ReplayRecorder::forget() {
  follow_anew();
  values_.clear();
  sources_.clear();
  bury();
}

}  // namespace unspool::exec
