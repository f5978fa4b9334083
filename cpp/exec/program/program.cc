// Layout once, then a plain loop over kernels.
#include "exec/program/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/host_lock.h"
#include "base/thread_pool.h"
#include "exec/kernel_map.h"
#include "ops/shape.h"
#include "tensor/allocator.h"

namespace unspool::exec {
namespace {

constexpr std::size_t kNumberBytes = 8;

SmallVector<const Tensor*, 16> pointers_to(std::span<const Tensor> tensors) {
  SmallVector<const Tensor*, 16> pointers;
  for (const Tensor& tensor : tensors) pointers.push_back(&tensor);
  return pointers;
}

std::size_t bytes_of(const Place& place) {
  return static_cast<std::size_t>(numel(place.sizes)) * size_of(place.dtype);
}

// The copy that a kernel which wants contiguous operands is given in place of another layout.
void add_copies(Recording& recording) {
  std::vector<Instruction> all;
  all.reserve(recording.instructions.size());
  for (Instruction& instruction : recording.instructions) {
    for (Argument& argument : instruction.in) {
      if (!argument.is_tensor() || !instruction.op->record.row_major) continue;
      const Place from = argument.place;
      if (from.is_contiguous()) continue;
      recording.buffers.push_back({Buffer::Kind::kTemporary, bytes_of(from), nullptr, 0});
      argument.place = {static_cast<BufferId>(recording.buffers.size() - 1), 0, from.sizes,
                        contiguous_strides(from.sizes), from.dtype};
      Instruction& copy = all.emplace_back();
      copy.op = &ops::op_of<ops::Clone>;
      copy.in.push_back({from, {}});
      copy.out.push_back(argument.place);
      copy.scope = instruction.scope;
    }
    all.push_back(std::move(instruction));
  }
  recording.instructions = std::move(all);
}

ArenaLayout lay_out(const Recording& recording, std::span<const Range> ranges,
                    const std::vector<bool>& tile_locals) {
  const std::size_t count = recording.buffers.size();
  std::vector<Lifetime> lifetimes(count);
  std::vector<bool> is_used(count);
  std::vector<std::size_t> tile_bytes(count);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto use = [&](BufferId id) {
      if (!is_used[id]) lifetimes[id].first = i;
      is_used[id] = true;
      lifetimes[id].last = i;
    };
    for (std::size_t k = 0; k < ranges[i].count; ++k) {
      const Instruction& instruction = recording.instructions[ranges[i].first + k];
      visit_buffers(instruction, use, use);
      for (const Place& place : instruction.out) {
        if (!tile_locals[place.buffer]) continue;
        tile_bytes[place.buffer] = static_cast<std::size_t>(thread_count()) *
                                   TileGroup::local_bytes(recording, ranges[i], place.dtype);
      }
    }
  }
  ArenaLayout layout;
  std::vector<Lifetime> temporaries;
  std::vector<BufferId> ids;
  for (std::size_t id = 0; id < count; ++id) {
    const Buffer& buffer = recording.buffers[id];
    if (buffer.kind != Buffer::Kind::kTemporary || !is_used[id]) continue;
    lifetimes[id].bytes = tile_locals[id] ? tile_bytes[id] : buffer.bytes;
    layout.unplanned_bytes += buffer.bytes;
    temporaries.push_back(lifetimes[id]);
    ids.push_back(static_cast<BufferId>(id));
  }
  layout.plan = plan(temporaries);
  layout.offsets.assign(count, 0);
  for (std::size_t i = 0; i < ids.size(); ++i) layout.offsets[ids[i]] = layout.plan.offsets[i];
  return layout;
}

}  // namespace

std::size_t arena_bytes_of(Recording recording, const Passes& passes) {
  apply(passes, recording);
  add_copies(recording);
  const std::vector<Range> ranges = tile_ranges(recording, passes.tiles);
  return lay_out(recording, ranges, tile_locals(recording, ranges)).plan.bytes;
}

Program::Program(Trace::Result traced, const Passes& passes)
    : recording_(std::move(traced.recording)),
      externals_(std::move(traced.externals)),
      leaves_(std::move(traced.leaves)),
      host_steps_(std::move(traced.host_steps)) {
  for (TracedLeaf& leaf : leaves_) {
    leaf_grads_.push_back(gradient_of(leaf.leaf));
    leaf.is_spent = is_spent(leaf.leaf);
  }
  attributes_.resize(host_steps_.size());
  apply(passes, recording_);
  add_copies(recording_);
  ranges_ = tile_ranges(recording_, passes.tiles);
  tile_locals_ = tile_locals(recording_, ranges_);
  ArenaLayout layout = lay_out(recording_, ranges_, tile_locals_);
  plan_ = std::move(layout.plan);
  offset_of_ = std::move(layout.offsets);
  unplanned_bytes_ = layout.unplanned_bytes;
  prepare();
  add_outputs(traced.outputs);
}

Program::~Program() {
  if (arena_) deallocate(arena_, plan_.bytes + scratch_bytes_);
}

void Program::add_view(const Place& place) {
  const Buffer& buffer = recording_.buffers[place.buffer];
  const std::ptrdiff_t offset = place.offset * static_cast<std::ptrdiff_t>(size_of(place.dtype));
  std::byte* base = nullptr;
  if (buffer.kind == Buffer::Kind::kTemporary) {
    base = arena_ + offset_of_[place.buffer];
  } else if (buffer.kind == Buffer::Kind::kExternal) {
    base = static_cast<std::byte*>(buffer.storage->data());
  } else {
    auto& relocations = buffer.kind == Buffer::Kind::kInput ? in_inputs_ : in_fresh_;
    relocations.push_back({views_.size(), offset, buffer.number});
  }
  views_.push_back({base ? base + offset : nullptr, place.sizes.data(), place.strides.data(),
                    static_cast<std::int32_t>(place.sizes.size()), place.dtype, place.is_contiguous()});
}

void Program::add_number(const ops::Operand& number, Dtype dtype) {
  std::byte bytes[kNumberBytes] = {};
  visit_dtype(dtype, [&]<class T>(T) {
    const T converted = number.kind() == ops::Operand::Kind::kFloat ? static_cast<T>(number.number())
                                                                    : static_cast<T>(number.integer());
    std::memcpy(bytes, &converted, sizeof(T));
  });
  views_.push_back({numbers_.data() + numbers_.size(), nullptr, nullptr, 0, dtype, true});
  numbers_.insert(numbers_.end(), bytes, bytes + kNumberBytes);
}

void Program::prepare() {
  for (Buffer& buffer : recording_.buffers) {
    if (buffer.kind != Buffer::Kind::kOutput) continue;
    buffer.number = fresh_.size();
    fresh_.push_back({buffer.bytes, nullptr});
  }
  std::size_t views = 0, numbers = 0;
  for (Instruction& instruction : recording_.instructions) {
    views += instruction.in.size() + instruction.out.size();
    for (const Argument& argument : instruction.in) numbers += argument.number.is_number();
    if (draws(instruction.op->record) && instruction.attrs.back().is_none())
      instruction.attrs.back() = ops::Attr(default_generator());
  }
  views_.reserve(views);
  numbers_.reserve(numbers * kNumberBytes);
  // Addresses in the arena come with the arena, whose size is known once the scratch is.
  for (const Range& range : ranges_) add_launch(range);
  choose_scratch();
  const std::vector<bool> is_written = written_buffers(recording_);
  bool writes_inputs = false;
  for (std::size_t id = 0; id < is_written.size(); ++id) {
    const Buffer& buffer = recording_.buffers[id];
    if (is_written[id] && buffer.kind == Buffer::Kind::kExternal) written_.push_back(buffer.storage.get());
    writes_inputs |= is_written[id] && buffer.kind == Buffer::Kind::kInput;
  }
  for (std::size_t id = 0; id < is_written.size(); ++id) {
    const Buffer& buffer = recording_.buffers[id];
    if (buffer.kind == Buffer::Kind::kExternal && buffer.bytes > 0 && (is_written[id] || writes_inputs))
      apart_.push_back(buffer.storage.get());
  }
}

void Program::add_outputs(std::span<const Place> places) {
  std::vector<bool> is_seen(recording_.buffers.size());
  for (std::size_t i = places.size(); i-- > 0;) {
    const Place& place = places[i];
    const Buffer& buffer = recording_.buffers[place.buffer];
    Ref<TensorImpl> like(new TensorImpl(place.dtype, place.sizes, place.strides, nullptr, place.offset));
    outputs_.push_back({buffer.kind, !is_seen[place.buffer], buffer.number, buffer.storage, std::move(like)});
    is_seen[place.buffer] = true;
  }
  std::reverse(outputs_.begin(), outputs_.end());
}

bool Program::takes(const Storage& input) const {
  return input.bytes() == 0 || std::none_of(apart_.begin(), apart_.end(),
                                            [&](const Storage* other) { return other->overlaps(input); });
}

void Program::add_launch(Range range) {
  const std::size_t first = views_.size();
  std::size_t middle = first;
  for (std::size_t i = range.first; i < range.first + range.count; ++i) {
    const Instruction& instruction = recording_.instructions[i];
    for (const Argument& argument : instruction.in) {
      if (argument.is_tensor())
        add_view(argument.place);
      else if (argument.is_none())
        views_.push_back({.ndim = -1});
      else
        add_number(argument.number, instruction.compute);
    }
    middle = views_.size();
    for (const Place& place : instruction.out) add_view(place);
  }
  const Instruction& instruction = recording_.instructions[range.first];
  const std::span<const View> all(views_.data() + first, views_.size() - first);
  Launch& launch = launches_.emplace_back();
  launch.first_view = first;
  launch.call = {all.first(middle - first), all.subspan(middle - first), instruction.attrs, &fault_};
  launch.run = kernel_of(*instruction.op).run;
  launch.either_way = range.count > 1 || kernel_of(*instruction.op).either_way;
  if (range.count > 1)
    launch.group = std::make_unique<TileGroup>(recording_, range, all, tile_locals_, &fault_);
  launch.is_long = is_long_work(launch.call.in, launch.call.out);
  is_long_ = is_long_ || launch.is_long;
  launch.threads = launch.is_long ? thread_count() : 1;
}

void Program::choose_scratch() {
  for (std::size_t i = 0; i < launches_.size(); ++i) {
    if (launches_[i].group) continue;
    const kernels::Kernel& kernel = kernel_of(*recording_.instructions[ranges_[i].first].op);
    if (kernel.scratch)
      scratch_bytes_ = std::max(scratch_bytes_, kernel.scratch(launches_[i].call, launches_[i].threads));
  }
  if (plan_.bytes + scratch_bytes_ == 0) return;
  arena_ = static_cast<std::byte*>(allocate(plan_.bytes + scratch_bytes_));
  // The views that lie in it were laid out from address 0.
  std::size_t view = 0;
  const auto move = [&](const Place& place) {
    if (recording_.buffers[place.buffer].kind == Buffer::Kind::kTemporary) {
      views_[view].data =
          arena_ + offset_of_[place.buffer] + static_cast<std::size_t>(place.offset) * size_of(place.dtype);
    }
  };
  for (const Instruction& instruction : recording_.instructions) {
    for (const Argument& argument : instruction.in) {
      if (argument.is_tensor()) move(argument.place);
      ++view;
    }
    for (const Place& place : instruction.out) {
      move(place);
      ++view;
    }
  }
}

bool Program::fits() const {
  for (const External& external : externals_) {
    const TensorImpl& impl = external.tensor.impl();
    if (impl.storage.get() != external.storage || impl.requires_grad != external.requires_grad) return false;
  }
  for (const TracedLeaf& leaf : leaves_) {
    if (leaf.is_entry_read && !gradient_of(leaf.leaf).is_same(leaf.entry)) return false;
  }
  return true;
}

void Program::relocate(Inputs inputs) {
  for (Fresh& fresh : fresh_) fresh.storage = Storage::allocate(fresh.bytes);
  const auto set = [&](const Relocation& each, void* base) {
    views_[each.view].data = static_cast<std::byte*>(base) + each.offset;
  };
  for (const Relocation& each : in_inputs_) set(each, inputs[each.number]->data());
  for (const Relocation& each : in_fresh_) set(each, fresh_[each.number].storage->data());
  for (const Launch& launch : launches_) {
    if (launch.group) launch.group->take_addresses(std::span(views_).subspan(launch.first_view));
  }
}

bool Program::begin_host_steps() {
  std::size_t begun = 0;
  const auto take_back = [&] {
    while (begun > 0) host_steps_[--begun]->undo({});
  };
  try {
    for (; begun < host_steps_.size(); ++begun) {
      if (host_steps_[begun]->begin(attributes_[begun])) continue;
      take_back();
      return false;
    }
  } catch (...) {
    take_back();
    throw;
  }
  for (std::size_t i = 0; i < launches_.size(); ++i) {
    const UpdateSource& source = recording_.instructions[ranges_[i].first].update;
    if (source.host_step >= 0) {
      launches_[i].call.attrs =
          attributes_[static_cast<std::size_t>(source.host_step)][static_cast<std::size_t>(source.number)];
    }
  }
  return true;
}

void Program::launch_all(double* seconds) {
  kernels::Context context;
  context.run_chunks = run_chunks;
  context.scratch = arena_ + plan_.bytes;
  is_odd_run_ = !is_odd_run_;
  fault_ = {};
  const Unlocked unlocked(is_long_);
  for (done_ = 0; done_ < launches_.size() && !fault_.what; ++done_) {
    const Launch& launch = launches_[done_];
    context.threads = launch.threads;
    const bool begins_at_end_now = launch.is_long && begins_at_end(launch.either_way);
    context.from_end = launch.either_way ? begins_at_end_now : is_odd_run_;
    const auto start = seconds ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    if (launch.group)
      launch.group->run(context);
    else
      launch.run(context, launch.call);
    if (seconds)
      seconds[done_] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
}

// Where a tensor from outside lies; null for all others.
const void* Program::address_of(const Place& place) const {
  const Buffer& buffer = recording_.buffers[place.buffer];
  if (buffer.kind != Buffer::Kind::kExternal) return nullptr;
  return static_cast<const std::byte*>(buffer.storage->data()) +
         place.offset * static_cast<std::int64_t>(size_of(place.dtype));
}

// Host steps are taken back for the parameters that were not reached: one update of the step may have been
// taken apart.
void Program::fail_at(std::size_t instruction) {
  std::size_t changes = 0, updates = 0;
  std::vector<std::vector<HostStep::Made>> made(host_steps_.size());
  for (std::size_t i = 0; i < instruction; ++i) {
    const Instruction& done = recording_.instructions[i];
    if (done.update.host_step >= 0) {
      const auto arity = static_cast<std::size_t>(done.op->record.arity);
      for (std::size_t k = 0; k < done.in.size(); k += arity) {
        made[static_cast<std::size_t>(done.update.host_step)].push_back(
            {static_cast<std::size_t>(done.update.number), address_of(done.in[k].place)});
      }
      updates += done.in.size() / arity;
    }
    visit_buffers(
        done, [](BufferId) {},
        [&](BufferId id) {
          changes += done.update.host_step < 0 && recording_.buffers[id].kind == Buffer::Kind::kExternal;
        });
  }
  for (std::size_t i = 0; i < host_steps_.size(); ++i) host_steps_[i]->undo(made[i]);
  try {
    raise_fault(*recording_.instructions[instruction].op, fault_);
  } catch (const Error& error) {
    std::string message = error.what();
    message += "\n  (in a replayed step; ";
    message += updates ? std::to_string(updates) + " parameters had been updated before this"
                       : "no parameter was updated";
    if (changes) message += ", and gradients or buffers were written " + std::to_string(changes) + " times";
    fail(error.kind(), message + ")");
  }
}

void Program::finish(Inputs inputs, std::span<Tensor> outputs) {
  for (Storage* storage : written_) storage->mark_written("a replayed step");
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const Tensor& leaf = leaves_[i].leaf;
    if (leaves_[i].is_spent)
      spend_gradient(leaf);
    else if (!gradient_of(leaf).is_same(leaf_grads_[i]))
      set_gradient(leaf, leaf_grads_[i]);
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const Output& output = outputs_[i];
    Ref<Storage> storage;
    std::int64_t start = output.like->offset;
    if (output.kind == Buffer::Kind::kOutput) {
      Ref<Storage>& fresh = fresh_[output.number].storage;
      storage = output.is_last ? std::move(fresh) : fresh;
    } else if (output.kind == Buffer::Kind::kInput) {
      storage = (*inputs[output.number])->storage;
      start += (*inputs[output.number])->offset;
    } else {
      storage = output.external;
    }
    outputs[i] = Tensor(Ref<TensorImpl>::of_new(new TensorImpl(*output.like, std::move(storage), start)));
  }
  for (Fresh& fresh : fresh_) fresh.storage = nullptr;
}

bool Program::run(Inputs inputs, std::span<Tensor> outputs, double* seconds) {
  std::unique_lock lock(running_, std::try_to_lock);
  if (!lock.owns_lock()) {
    const Unlocked unlocked;  // the one who runs may need the host's lock to end
    lock.lock();
  }
  relocate(inputs);
  if (!begin_host_steps()) return false;
  launch_all(seconds);
  if (fault_.what) fail_at(ranges_[done_ - 1].first);
  finish(inputs, outputs);
  return true;
}

bool Program::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  const auto pointers = pointers_to(inputs);
  return run({pointers.data(), pointers.size()}, outputs, nullptr);
}

std::vector<double> Program::profile(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  std::vector<double> seconds(launches_.size());
  const auto pointers = pointers_to(inputs);
  if (!run({pointers.data(), pointers.size()}, outputs, seconds.data())) seconds.clear();
  return seconds;
}

}  // namespace unspool::exec
