// Which memory is which, and what remains of it at the end.
#include "exec/program/trace.h"

#include <algorithm>
#include <functional>
#include <mutex>

#include "base/error.h"
#include "exec/backward.h"
#include "exec/views.h"
#include "ops/api.h"
#include "ops/shape.h"

namespace unspool::exec {
Trace::Trace(std::vector<Tensor> inputs, bool is_tolerant)
    : is_tolerant_(is_tolerant), inputs_(std::move(inputs)) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Ref<Storage>& storage = inputs_[i]->storage;
    if (external_of_.contains(storage.get())) continue;
    external_of_[storage.get()] = add({Buffer::Kind::kInput, storage->bytes(), nullptr, i});
  }
}

Trace* Trace::current() noexcept { return dynamic_cast<Trace*>(ops::thread_state().emitter); }

void Trace::refuse(const std::string& why) {
  if (!is_tolerant_) fail(ErrorKind::kCapture, why);
  if (failure_.empty()) failure_ = why;
}

void Trace::read_on_host(const Tensor& tensor, std::string_view who) {
  const bool is_given = std::any_of(inputs_.begin(), inputs_.end(), [&](const Tensor& input) {
    return input->storage.get() == tensor->storage.get();
  });
  refuse(std::string(who) + ": the value of a tensor " +
         (has_made(tensor) ? "that the step computes"
          : is_given       ? "that is given to the step"
                           : "from outside") +
         " was asked for while the step is being captured. A replayed step runs without Python, so no value "
         "can decide what happens next: move this out of the step (return the tensor and look at it "
         "there), write it in operations such as where(), or compile with fallback=\"eager\"");
}

BufferId Trace::add(Buffer buffer) {
  recording_.buffers.push_back(std::move(buffer));
  const std::lock_guard lock(mutex());
  alive_.push_back(nullptr);
  return static_cast<BufferId>(recording_.buffers.size() - 1);
}

BufferId Trace::add_external(const Tensor& tensor) {
  const Ref<Storage>& storage = tensor->storage;
  watch(tensor);
  return external_of_[storage.get()] = add({Buffer::Kind::kExternal, storage->bytes(), storage, 0});
}

void Trace::watch(const Tensor& tensor) {
  const Tensor seen = tensor->base ? Tensor(tensor->base) : tensor;
  for (const External& known : externals_) {
    if (known.tensor.is_same(seen)) return;
  }
  externals_.push_back({seen, seen->storage.get(), seen->requires_grad});
}

BufferId Trace::buffer_of(const Tensor& tensor, bool fresh) {
  Storage& storage = *tensor->storage;
  if (fresh) {
    const BufferId id = add({Buffer::Kind::kTemporary, storage.bytes(), nullptr, 0});
    follow(storage, id);
    const std::lock_guard lock(mutex());
    alive_[id] = &storage;
    return id;
  }
  if (follows(storage)) return number_of(storage);
  if (const auto found = apart_.find(&storage); found != apart_.end()) return found->second.buffer;
  const auto found = external_of_.find(&storage);
  return found != external_of_.end() ? found->second : add_external(tensor);
}

Place Trace::place_of(const Tensor& tensor, bool fresh) {
  const BufferId id = buffer_of(tensor, fresh);
  const Buffer& buffer = recording_.buffers[id];
  // An input may lie elsewhere in its storage next time.
  const std::int64_t start = buffer.kind == Buffer::Kind::kInput ? inputs_[buffer.number]->offset : 0;
  return {id, tensor->offset - start, tensor.sizes(), tensor.strides(), tensor.dtype()};
}

void Trace::launched(const Launched& launch) {
  if (!failure_.empty()) return;
  const ops::Call& call = launch.call;
  if (read_watch_) check_reads(*read_watch_, call);
  Instruction& instruction = recording_.instructions.emplace_back();
  instruction.op = &call.op;
  instruction.compute = launch.compute;
  instruction.section = section_;
  instruction.scope = ops::thread_state().scope;
  instruction.attrs.assign(call.attrs.begin(), call.attrs.end());
  bool is_narrow_call = false;
  for (const ops::Operand& operand : call.in) {
    Argument& argument = instruction.in.emplace_back();
    if (!operand.is_tensor()) {
      argument.number = operand;
      continue;
    }
    is_narrow_call = is_narrow_call || is_narrow(operand.impl().dtype);
    argument.place = place_of(operand.tensor());
  }
  for (const Tensor& out : launch.out) {
    is_narrow_call = is_narrow_call || is_narrow(out.dtype());
    instruction.out.push_back(place_of(out, launch.fresh));
  }
  if (is_narrow_call) {
    refuse(
        std::string(call.op.record.public_name()) +
        ": tensors of int8, int16, float16 and bfloat16 cannot be captured; compute in float32, or compile "
        "with fallback=\"eager\"");
  }
  // Other updates, those of running averages, keep the attributes they were called with.
  if (!instruction.is_update() || updates_ < 0) return;
  instruction.update = {host_step_, updates_};
}

Tensor Trace::made_by_host(const Tensor& tensor) {
  Tensor values;
  {
    const ops::WithDefaultEmitter beside_the_step;
    const ops::GradMode no_grad(false);
    values = ops::clone(tensor);
  }
  if (!failure_.empty()) return values;
  const BufferId from = add({Buffer::Kind::kExternal, values->storage->bytes(), values->storage, 0});
  host_made_.push_back(recording_.instructions.size());
  Instruction& copy = recording_.instructions.emplace_back();
  copy.op = &ops::op_of<ops::Clone>;
  copy.compute = tensor.dtype();
  copy.section = section_;
  copy.scope = ops::thread_state().scope;
  copy.in.push_back({{from, 0, values.sizes(), values.strides(), values.dtype()}, {}});
  copy.out.push_back(place_of(tensor, true));
  return values;
}

// What the host filled is read where it is, unless the step changes it or hands it out.
void Trace::drop_needless_copies() {
  if (host_made_.empty()) return;
  std::vector<std::size_t> writes(recording_.buffers.size());
  for (const Instruction& instruction : recording_.instructions)
    visit_buffers(instruction, [](BufferId) {}, [&](BufferId id) { ++writes[id]; });
  std::vector<BufferId> stands_for(recording_.buffers.size(), kNoBuffer);
  std::vector<bool> is_dropped(recording_.instructions.size());
  for (const std::size_t at : host_made_) {
    const Instruction& copy = recording_.instructions[at];
    const BufferId id = copy.out[0].buffer;
    const bool is_same_layout = copy.out[0].offset == 0 && copy.out[0].strides == copy.in[0].place.strides;
    if (writes[id] > 1 || recording_.buffers[id].kind != Buffer::Kind::kTemporary || !is_same_layout)
      continue;
    stands_for[id] = copy.in[0].place.buffer;
    is_dropped[at] = true;
  }
  const auto rename = [&](Place& place) {
    if (place.buffer != kNoBuffer && stands_for[place.buffer] != kNoBuffer)
      place.buffer = stands_for[place.buffer];
  };
  std::vector<Instruction> kept;
  for (std::size_t at = 0; at < recording_.instructions.size(); ++at) {
    if (is_dropped[at]) continue;
    for (Argument& argument : recording_.instructions[at].in) rename(argument.place);
    kept.push_back(std::move(recording_.instructions[at]));
  }
  if (derivative_) {
    const auto split = is_dropped.begin() + static_cast<std::ptrdiff_t>(derivative_->split);
    derivative_->split -= static_cast<std::size_t>(std::count(is_dropped.begin(), split, true));
    for (Place& place : derivative_->grads) rename(place);
  }
  recording_.instructions = std::move(kept);
}

bool Trace::has_made(const Tensor& tensor) const {
  if (follows(*tensor->storage)) return true;
  const auto found = apart_.find(tensor->storage.get());
  if (found == apart_.end()) return false;
  const Buffer::Kind kind = recording_.buffers[found->second.buffer].kind;
  return kind != Buffer::Kind::kInput && kind != Buffer::Kind::kExternal;
}

void Trace::let_go() {
  std::erase_if(leaves_, [&](const TracedLeaf& leaf) {
    const bool is_gone = has_made(leaf.leaf) && leaf.leaf->ref_count() == 1;
    if (is_gone) leaf_of_.erase(&leaf.leaf.impl());
    return is_gone;
  });
  std::erase_if(apart_, [](const auto& each) { return each.second.storage->ref_count() == 1; });
}

void Trace::begin_updates(std::shared_ptr<HostStep> step) {
  const auto found = std::find(host_steps_.begin(), host_steps_.end(), step);
  host_step_ = static_cast<std::int32_t>(found - host_steps_.begin());
  if (found == host_steps_.end()) host_steps_.push_back(std::move(step));
}

void Trace::end_updates() { updates_ = -1; }

void Trace::touch(const Tensor& leaf, bool reads) {
  if (!leaf_of_.emplace(&leaf.impl(), leaves_.size()).second) return;
  leaves_.push_back({leaf, reads, reads ? gradient_of(leaf) : Tensor()});
}

// Whether only this trace still knows the tensor.
bool Trace::is_orphan(const External& external) const {
  // The storage is held by the tensor and by its buffer.
  return external.tensor->ref_count() == 1 && external.storage->ref_count() <= 2;
}

// Whether the buffer's first use is a kernel that fills all of it without reading it.
bool Trace::is_first_overwritten(BufferId buffer) const {
  for (const Instruction& instruction : recording_.instructions) {
    bool is_read = false;
    visit_buffers(instruction, [&](BufferId id) { is_read = is_read || id == buffer; }, [](BufferId) {});
    if (is_read) return false;
    for (const Place& place : instruction.out) {
      if (place.buffer != buffer) continue;
      const auto bytes = static_cast<std::size_t>(numel(place.sizes)) * size_of(place.dtype);
      return bytes == recording_.buffers[buffer].bytes;
    }
  }
  return true;
}

void Trace::settle_externals(std::span<const Tensor> outputs) {
  for (std::size_t i = 0; i < externals_.size();) {
    const External& external = externals_[i];
    const auto found = external_of_.find(external.storage);
    const bool is_output = std::any_of(outputs.begin(), outputs.end(), [&](const Tensor& output) {
      return output->storage.get() == external.storage;
    });
    if (found == external_of_.end() || is_output || !is_orphan(external)) {
      ++i;
      continue;
    }
    if (external.tensor.numel() == 0) {  // holds no value that could be outdated
      ++i;
      continue;
    }
    if (!is_first_overwritten(found->second)) {
      return refuse(
          "a tensor of shape " + to_string(external.tensor.sizes()) + " and dtype " +
          std::string(name(external.tensor.dtype())) +
          " came into the step from neither its arguments nor its variables (it was loaded, or drawn from a "
          "data set), or was replaced by another during it, so a replay would read an outdated value. Give "
          "it to the step as an argument, make it once outside, or change the kept tensor in place "
          "(copy_())");
    }
    Buffer& buffer = recording_.buffers[found->second];
    buffer.kind = Buffer::Kind::kTemporary;
    buffer.storage = nullptr;
    externals_.erase(externals_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

bool Trace::mentions(double number) const {
  for (const Instruction& instruction : recording_.instructions) {
    if (number == 1 && instruction.op->record.name == "clamp_max") continue;
    for (const Argument& argument : instruction.in) {
      if (argument.number.kind() == ops::Operand::Kind::kFloat && argument.number.number() == number)
        return true;
    }
    for (const ops::Attr& attr : instruction.attrs) {
      if (attr.kind() == ops::Attr::Kind::kFloat && attr.number() == number && number != 1) return true;
    }
  }
  return false;
}

void Trace::keep(const Tensor& tensor) { kept_.push_back(buffer_of(tensor, false)); }

std::uint64_t Trace::sequence_of(const Tensor& output) { return edge_of(output.impl()).get()->sequence; }

// Whether the tensor's own derivative can still be asked for.
bool Trace::is_open(const Tensor& output) const {
  if (!output.requires_grad() || is_leaf(output.impl())) return false;
  return std::find(unwound_.begin(), unwound_.end(), sequence_of(output)) == unwound_.end();
}

bool Trace::needs_derivative(std::span<const Tensor> outputs) const {
  return !is_unwound_ &&
         std::any_of(outputs.begin(), outputs.end(), [&](const Tensor& output) { return is_open(output); });
}

void Trace::differentiate(std::span<const Tensor> outputs) {
  Derivative derivative{recording_.instructions.size(), inputs_.size(), {}, {}, {}, {}};
  std::vector<Tensor> sources, cotangents, targets;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!is_open(outputs[i])) continue;
    derivative.outputs.push_back(i);
    sources.push_back(outputs[i]);
    const ops::WithDefaultEmitter beside_the_step;
    const Tensor& cotangent = cotangents.emplace_back(ops::ones_like(outputs[i]));
    inputs_.push_back(cotangent);
    external_of_[cotangent->storage.get()] =
        add({Buffer::Kind::kInput, cotangent->storage->bytes(), nullptr, inputs_.size() - 1});
  }
  for (const External& external : externals_) {
    if (external.tensor.requires_grad()) targets.push_back(external.tensor);
  }
  const std::size_t outside = targets.size();
  std::vector<std::size_t> inputs;
  for (std::size_t i = 0; i < derivative.first_cotangent; ++i) {
    if (!inputs_[i].requires_grad()) continue;
    targets.push_back(inputs_[i]);
    inputs.push_back(i);
  }
  const std::vector<Tensor> grads =
      unwind(sources, cotangents, {.retain_graph = true, .inputs = targets, .stops_at_inputs = true});
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!grads[i]) continue;
    if (i < outside)
      derivative.targets.push_back(targets[i]);
    else
      derivative.inputs.push_back(inputs[i - outside]);
    derivative.grads.push_back(place_of(grads[i]));
  }
  derivative_ = std::move(derivative);
}

std::string Trace::unexplained(std::span<const Tensor> outputs) const {
  if (derivative_) return {};  // the tape is alive, and holds much
  std::vector<bool> is_known(recording_.buffers.size());
  const auto know = [&](const Tensor& tensor) {
    if (!tensor || !has_made(tensor)) return;
    const auto found = apart_.find(tensor->storage.get());
    is_known[found != apart_.end() ? found->second.buffer : number_of(*tensor->storage)] = true;
  };
  for (const Tensor& output : outputs) know(output);
  for (const TracedLeaf& leaf : leaves_) know(gradient_of(leaf.leaf));
  for (const BufferId id : kept_) is_known[id] = true;
  const std::lock_guard lock(mutex());
  for (const Instruction& instruction : recording_.instructions) {
    for (const Place& place : instruction.out) {
      if (alive_[place.buffer] && !is_known[place.buffer]) {
        return std::string(instruction.op->record.public_name()) + " of shape " + to_string(place.sizes);
      }
    }
  }
  return {};
}

std::vector<std::size_t> Trace::pinned_inputs() const {
  std::vector<std::size_t> pinned;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Storage& own = *inputs_[i]->storage;
    if (own.bytes() > 0 && std::any_of(externals_.begin(), externals_.end(), [&](const External& external) {
          return own.overlaps(*external.tensor->storage);
        })) {
      pinned.push_back(i);
    }
  }
  return pinned;
}

// Whether memory from before the step that is written overlaps other such memory. Passes take different
// buffers for different memory.
bool Trace::has_written_overlap() const {
  const std::vector<bool> is_written = written_buffers(recording_);
  const auto storage_of = [&](BufferId id) -> const Storage* {
    const Buffer& buffer = recording_.buffers[id];
    if (buffer.kind == Buffer::Kind::kInput) return inputs_[buffer.number]->storage.get();
    return buffer.kind == Buffer::Kind::kExternal ? buffer.storage.get() : nullptr;
  };
  std::vector<BufferId> outside;
  for (BufferId id = 0; id < recording_.buffers.size(); ++id) {
    if (storage_of(id) && storage_of(id)->bytes() > 0) outside.push_back(id);
  }
  std::sort(outside.begin(), outside.end(), [&](BufferId a, BufferId b) {
    return std::less<>()(storage_of(a)->data(), storage_of(b)->data());
  });
  for (std::size_t i = 0; i < outside.size(); ++i) {
    const Storage& first = *storage_of(outside[i]);
    for (std::size_t k = i + 1; k < outside.size(); ++k) {
      if (!first.overlaps(*storage_of(outside[k]))) break;
      if (is_written[outside[i]] || is_written[outside[k]]) return true;
    }
  }
  return false;
}

Trace::Result Trace::finish(std::span<const Tensor> outputs) {
  Result result;
  for (const TracedLeaf& leaf : leaves_) {
    const auto is_leaf = [&](const Tensor& input) { return input.is_same(leaf.leaf); };
    if (std::any_of(inputs_.begin(), inputs_.end(), is_leaf)) {
      refuse(
          "the step adds to the gradient of one of its arguments; use autograd.grad(), or make the tensor a "
          "Parameter of the model");
    }
  }
  for (const Tensor& output : outputs) result.outputs.push_back(place_of(output));
  result.pinned = pinned_inputs();
  settle_externals(outputs);
  if (has_written_overlap()) {
    refuse(
        "the step changes a tensor whose memory it also uses by a tensor of its own, such as x.data or an "
        "array "
        "that overlaps, so that a replay would not know what depends on the change. Use detach() in place of "
        ".data, or a copy");
  }
  for (const Place& place : result.outputs) {
    Buffer& buffer = recording_.buffers[place.buffer];
    if (buffer.kind == Buffer::Kind::kTemporary) buffer.kind = Buffer::Kind::kOutput;
  }
  // What else is still alive is kept by somebody, as gradients are by their leaves: it stays where it is.
  const std::lock_guard lock(mutex());
  for (std::size_t id = 0; id < alive_.size(); ++id) {
    Buffer& buffer = recording_.buffers[id];
    // With a derivative the tape is alive, and holds what the program will hand on itself.
    const bool is_kept = std::find(kept_.begin(), kept_.end(), id) != kept_.end();
    if (derivative_ && !is_kept) continue;
    if (!alive_[id] || alive_[id]->ref_count() == 0 || buffer.kind != Buffer::Kind::kTemporary) continue;
    buffer.kind = Buffer::Kind::kExternal;
    buffer.storage = Ref<Storage>(alive_[id]);
  }
  drop_needless_copies();
  result.recording = std::move(recording_);
  result.externals = std::move(externals_);
  result.leaves = std::move(leaves_);
  result.host_steps = std::move(host_steps_);
  result.derivative = std::move(derivative_);
  return result;
}

}  // namespace unspool::exec
