// Bringing values back: the calls that lead to one, in their first order.
#include "exec/recompute/value.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/graveyard.h"
#include "base/host_lock.h"
#include "ops/api.h"
#include "ops/emitter.h"

namespace unspool::exec {
namespace {

std::atomic<std::uint64_t> calls{0};
std::atomic<std::uint64_t> recorded{0};
thread_local std::uint64_t latest = 0;

Tensor tensor_at(const ValuePlace& place, const Ref<Storage>& storage) {
  return Tensor(
      Ref<TensorImpl>(new TensorImpl(place.dtype, place.sizes, place.strides, storage, place.offset)));
}

// The calls that must be made so that the values are there, in order.
std::vector<Replay*> way_to(std::span<Value* const> values) {
  std::unordered_set<const Replay*> seen;
  std::vector<Replay*> way;
  std::vector<Value*> waiting(values.begin(), values.end());
  while (!waiting.empty()) {
    Value* next = waiting.back();
    waiting.pop_back();
    if (next->is_here()) continue;
    Replay* maker = next->maker();
    if (!maker) {
      fail(
          "backward: a value that a recomputed part of the network read has since been overwritten in place; "
          "change it after the backward pass, or clone() it first");
    }
    if (!seen.insert(maker).second) continue;
    way.push_back(maker);
    maker->visit_sources([&](const Ref<Value>& source) { waiting.push_back(source.get()); });
  }
  std::sort(way.begin(), way.end(),
            [](const Replay* a, const Replay* b) { return a->sequence < b->sequence; });
  return way;
}

// Runs the calls; keeps what was asked for and what belongs to its regions, and hands out the rest only as
// long as a later call reads it.
class Way {
 public:
  explicit Way(std::span<Value* const> targets) : targets_(targets), calls_(way_to(targets)) {
    for (Replay* call : calls_) {
      alive_.emplace_back(call);
      call->visit_sources([&](const Ref<Value>& source) {
        ++readers_[source.get()];
        // While it is to be read it stays, whoever needs room.
        if (source->is_here()) lent_[source.get()] = source->storage();
      });
    }
    for (Value* target : targets) ++readers_[target];  // the one who asked
  }

  void follow() {
    for (Replay* call : calls_) run(*call);
  }
  // A target's memory.
  Ref<Storage> memory_of(Value& value) { return value.is_here() ? value.storage() : lent_.at(&value); }

 private:
  // Asked for, or of use to somebody and of a region that a target is in.
  bool is_kept(const Value& value) const {
    if (!value.is_held()) return false;
    const Region* const region = value.region().get();
    return !region || std::any_of(targets_.begin(), targets_.end(), [&](const Value* target) {
      return target == &value || (target->region() && target->region()->is_within(region));
    });
  }

  void run(Replay& call) {
    // Memory that was lent stands in for what is not kept.
    std::vector<Value*> filled;
    call.visit_sources([&](const Ref<Value>& source) {
      if (source->is_here()) return;
      source->put(lent_.at(source.get()));
      filled.push_back(source.get());
    });
    // What nobody else reads is changed where it is.
    const bool is_last = call.before && readers_[call.before.get()] == 1 &&
                         std::find(filled.begin(), filled.end(), call.before.get()) != filled.end();
    std::vector<Ref<Storage>> made = call.run(is_last ? call.before->storage() : nullptr);
    for (Value* value : filled) value->drop();
    call.visit_sources([&](const Ref<Value>& source) {
      if (--readers_[source.get()] == 0) lent_.erase(source.get());
    });
    for (std::size_t i = 0; i < call.outputs.size(); ++i) {
      Value* const value = call.outputs[i];
      if (!value || value->is_here()) continue;
      if (readers_[value] > 0) lent_[value] = made[i];
      if (is_kept(*value)) value->put(std::move(made[i]));
    }
  }

  std::span<Value* const> targets_;
  std::vector<Replay*> calls_;
  std::vector<Ref<Replay>> alive_;
  std::unordered_map<const Value*, std::size_t> readers_;
  std::unordered_map<const Value*, Ref<Storage>> lent_;
};

}  // namespace

std::uint64_t latest_call() noexcept { return latest; }

std::uint64_t number_call() noexcept { return latest = recorded.fetch_add(1, std::memory_order_relaxed) + 1; }

std::uint64_t replayed_calls() { return calls.load(std::memory_order_relaxed); }

std::unique_lock<std::recursive_mutex> alone_with_values() {
  static auto& mutex = *new std::recursive_mutex;
  std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock.owns_lock()) {
    const Unlocked unlocked;  // the one who has it may need the host's lock to end
    lock.lock();
  }
  return lock;
}

Value::Value(Ref<Storage> storage, std::uint32_t version, Ref<Replay> maker, std::uint32_t output)
    : version_(version), output_(output), bytes_(storage->bytes()), maker_(std::move(maker)) {
  if (is_source())
    storage_ = std::move(storage);
  else
    maker_->outputs[output_] = this;
}

Value::~Value() {
  if (maker_) maker_->outputs[output_] = nullptr;
  set_region(nullptr);
}

void Value::pin(const Ref<Storage>& storage) {
  set_region(nullptr);
  if (maker_) maker_->outputs[output_] = nullptr;
  maker_ = nullptr;
  put(storage);
}

void Value::set_region(const Ref<Region>& region) {
  if (!region_ && !region) return;
  const auto lock = alone_with_values();
  if (region_) {
    std::vector<Value*>& values = region_->values;
    values[place_] = values.back();
    values[place_]->place_ = place_;
    values.pop_back();
  }
  region_ = region;
  if (!region_) return;
  place_ = region_->values.size();
  region_->values.push_back(this);
}

void Value::hold(const Ref<Storage>& storage) {
  holders_.fetch_add(1, std::memory_order_relaxed);
  if (!storage_ && (!region_ || region_->keeps)) storage_ = storage;
}

void Value::let_go() noexcept {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  const auto lock = alone_with_values();
  drop();
}

void Value::drop() noexcept {
  if (!is_source()) storage_ = nullptr;
}

void Value::put(Ref<Storage> storage) {
  version_ = storage->version();
  storage_ = std::move(storage);
}

Ref<Storage> Value::get() {
  const auto lock = alone_with_values();
  if (maker_) latest = maker_->sequence;
  if (is_here()) return storage_;
  const ops::GradMode mode(false);
  const ops::WithDefaultEmitter plainly;
  Value* const self = this;
  Way way({&self, 1});
  way.follow();
  return way.memory_of(*this);
}

void bring_back(std::span<Value* const> values) {
  const auto lock = alone_with_values();
  const ops::GradMode mode(false);
  const ops::WithDefaultEmitter plainly;
  Way way(values);
  way.follow();
  for (Value* value : values) {
    if (!value->is_here()) value->put(way.memory_of(*value));
  }
}

void Replay::destroy(Replay* replay) noexcept {
  // A call holds the values it read, which hold the calls that made them.
  Graveyard<Replay>::bury(replay, [](Replay* next) { delete next; });
}

std::vector<Ref<Storage>> Replay::run(Ref<Storage> own) const {
  calls.fetch_add(1, std::memory_order_relaxed);
  Ref<Storage> written = std::move(own);
  if (is_in_place && !written) {
    written = Storage::allocate(bytes);
    if (before) std::memcpy(written->data(), before->storage()->data(), bytes);
  }
  SmallVector<ops::Operand, 4> in;
  for (const ReplayOperand& operand : operands) {
    if (operand.is_tensor) {
      const ValuePlace& place = operand.place;
      in.push_back(tensor_at(place, place.value ? place.value->storage() : written));
    } else {
      in.push_back(operand.number);
    }
  }
  SmallVector<ops::Attr, 6> given(attrs.begin(), attrs.end());
  if (random) {
    const Ref<Generator> generator(new Generator);
    generator->state() = *random;
    given.back() = ops::Attr(generator);
  }
  const ops::Call call{op, {in.data(), in.size()}, {given.data(), given.size()}};
  if (is_in_place) {
    ops::emitter().emit_into(call, tensor_at(target, written));
    return {written};
  }
  Tensor out[ops::kMaxOutputs];
  const auto count = static_cast<std::size_t>(op.record.outputs.size());
  ops::emitter().emit(call, {out, count});
  std::vector<Ref<Storage>> made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) made.push_back(out[i]->storage);
  return made;
}

}  // namespace unspool::exec
