// The split of one recording into two, and the node that runs the second.
#include "exec/program/differentiable.h"

#include "base/error.h"
#include "exec/views.h"
#include "ops/api.h"

namespace unspool::exec {
namespace {

// Memory that one call hands to its unwinding, whatever is in it.
Place whole(BufferId id, std::size_t bytes) {
  Place place;
  place.buffer = id;
  place.sizes = Dims{static_cast<std::int64_t>(bytes)};
  place.strides = Dims{1};
  place.dtype = Dtype::kUInt8;
  return place;
}

// A storage and the version that was meant.
struct Read {
  Ref<Storage> storage;
  std::uint32_t version;
};

class ProgramNode final : public Node {
 public:
  ProgramNode(std::shared_ptr<Program> program, std::vector<Edge> edges, std::vector<ops::OutputSpec> outputs,
              std::vector<Tensor> inputs, std::size_t first_cotangent, std::vector<Read> reads)
      : program_(std::move(program)),
        edges_(std::move(edges)),
        outputs_(std::move(outputs)),
        inputs_(std::move(inputs)),
        first_cotangent_(first_cotangent),
        reads_(std::move(reads)) {
    sequence = take_sequence(edges_);
  }

  std::string name() const override { return "compiled"; }
  Links links() const override {
    return {edges_, static_cast<std::uint32_t>(edges_.size()), static_cast<std::uint32_t>(outputs_.size())};
  }
  ops::OutputSpec output(std::uint32_t i) const override { return outputs_[i]; }
  bool is_like_output(std::uint32_t i, const TensorImpl& x) const override {
    return x.dtype == outputs_[i].dtype && x.sizes == outputs_[i].sizes;
  }

  void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) override {
    check();
    for (std::size_t i = 0; i < cotangents.size(); ++i) {
      const ops::OutputSpec& spec = outputs_[i];
      inputs_[first_cotangent_ + i] =
          cotangents[i] ? ops::contiguous(cotangents[i]) : ops::full(spec.sizes, 0.0, spec.dtype);
    }
    std::vector<Tensor> found(edges_.size());
    if (!program_->fits() || !program_->run(inputs_, found)) {
      fail("backward: parameters of the compiled function were replaced since it was called");
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (wanted[i]) grads[i] = std::move(found[i]);
    }
    for (std::size_t i = 0; i < cotangents.size(); ++i) inputs_[first_cotangent_ + i] = Tensor();
  }
  void release() override {
    inputs_.clear();
    reads_.clear();
    released = true;
  }
  void visit_saved(const StorageVisitor& visit) const override {
    for (const Read& read : reads_) visit(*read.storage);
  }
  std::size_t bytes() const override {
    return sizeof(ProgramNode) + edges_.capacity() * sizeof(Edge) +
           outputs_.capacity() * sizeof(ops::OutputSpec) + inputs_.capacity() * sizeof(Tensor) +
           reads_.capacity() * sizeof(Read);
  }

 private:
  ~ProgramNode() = default;
  void destroy_now() noexcept override { delete this; }

  void check() const {
    if (released) {
      fail(
          "backward: the graph was already freed when a compiled function was unwound; call "
          "backward(retain_graph=True) the first time to unwind it twice");
    }
    if (ops::thread_state().grad_enabled) {
      fail(ErrorKind::kNotImplemented,
           "backward: the gradient of a compiled function cannot be differentiated again "
           "(create_graph=True); call "
           "the function itself, or compile the step that takes both derivatives");
    }
    for (const Read& read : reads_) {
      if (read.storage->version() == read.version) continue;
      fail("backward: a compiled function needs a value for its gradient that ",
           read.storage->writer() ? read.storage->writer() : "an in-place operation",
           " has since overwritten; use the operation that returns a new tensor, or clone() first");
    }
  }

  std::shared_ptr<Program> program_;
  std::vector<Edge> edges_;
  std::vector<ops::OutputSpec> outputs_;
  std::vector<Tensor> inputs_;
  std::size_t first_cotangent_;
  std::vector<Read> reads_;
};

// Buffers that are written before the split and read after it.
std::vector<BufferId> handed_over(const Recording& recording, std::size_t split) {
  std::vector<bool> is_early(recording.buffers.size()), is_taken(recording.buffers.size());
  std::vector<BufferId> found;
  for (std::size_t i = 0; i < recording.instructions.size(); ++i) {
    const auto read = [&](BufferId id) {
      const Buffer::Kind kind = recording.buffers[id].kind;
      const bool is_ours = kind == Buffer::Kind::kTemporary || kind == Buffer::Kind::kOutput;
      if (i < split || !is_early[id] || !is_ours || is_taken[id]) return;
      is_taken[id] = true;
      found.push_back(id);
    };
    const auto write = [&](BufferId id) {
      if (i < split) is_early[id] = true;
    };
    visit_buffers(recording.instructions[i], read, write);
  }
  return found;
}

}  // namespace

DifferentiableProgram::DifferentiableProgram(Trace::Result traced, const Trace::Derivative& derivative,
                                             const Passes& passes)
    : outputs_(traced.outputs.size()),
      inputs_(derivative.first_cotangent),
      differentiated_(derivative.outputs),
      targets_(derivative.targets),
      target_inputs_(derivative.inputs) {
  std::vector<Instruction>& all = traced.recording.instructions;
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(derivative.split);
  const std::vector<BufferId> handed = handed_over(traced.recording, derivative.split);

  Trace::Result late;
  late.recording.buffers = traced.recording.buffers;
  late.recording.instructions.assign(middle, all.end());
  late.externals = traced.externals;
  late.outputs = derivative.grads;
  std::size_t next_input = derivative.first_cotangent + derivative.outputs.size();
  for (const BufferId id : handed) {
    Buffer& buffer = late.recording.buffers[id];
    buffer.kind = Buffer::Kind::kInput;
    buffer.number = next_input++;
    traced.outputs.push_back(whole(id, buffer.bytes));
    traced.recording.buffers[id].kind = Buffer::Kind::kOutput;
  }
  for (const Place& grad : derivative.grads) {
    Buffer& buffer = late.recording.buffers[grad.buffer];
    if (buffer.kind == Buffer::Kind::kTemporary) buffer.kind = Buffer::Kind::kOutput;
  }
  for (const Instruction& instruction : late.recording.instructions) {
    visit_buffers(
        instruction,
        [&](BufferId id) {
          const Buffer& buffer = late.recording.buffers[id];
          if (buffer.kind == Buffer::Kind::kExternal) read_.push_back(buffer.storage.get());
          if (buffer.kind == Buffer::Kind::kInput && buffer.number < inputs_)
            read_inputs_.push_back(buffer.number);
        },
        [](BufferId) {});
  }
  all.erase(middle, all.end());
  forward_ = std::make_unique<Program>(std::move(traced), passes);
  backward_ = std::make_shared<Program>(std::move(late), passes);
}

bool DifferentiableProgram::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  std::vector<Tensor> results(forward_->output_count());
  if (!forward_->run(inputs, results)) return false;
  std::move(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(outputs_), outputs.begin());
  std::vector<Edge> edges;
  edges.reserve(targets_.size() + target_inputs_.size());
  for (const Tensor& target : targets_) edges.push_back(edge_of(target.impl()));
  for (const std::size_t input : target_inputs_) edges.push_back(edge_of(inputs[input].impl()));
  std::vector<ops::OutputSpec> specs;
  specs.reserve(differentiated_.size());
  for (const std::size_t i : differentiated_) specs.push_back({outputs[i].sizes(), outputs[i].dtype()});
  std::vector<Tensor> kept(inputs.begin(), inputs.end());
  kept.resize(inputs_ + differentiated_.size());
  std::vector<Read> reads;
  const auto read = [&](Storage* storage) { reads.push_back({Ref<Storage>(storage), storage->version()}); };
  for (const std::size_t input : read_inputs_) read(inputs[input]->storage.get());
  for (std::size_t i = outputs_; i < results.size(); ++i) {
    read(results[i]->storage.get());
    kept.push_back(std::move(results[i]));
  }
  for (Storage* storage : read_) read(storage);
  const Ref<GraphNode> node(new ProgramNode(backward_, std::move(edges), std::move(specs), std::move(kept),
                                            inputs_, std::move(reads)));
  for (std::size_t i = 0; i < differentiated_.size(); ++i) {
    const Tensor& output = outputs[differentiated_[i]];
    output->node = node;
    output->output_nr = static_cast<std::uint32_t>(i);
    output->requires_grad = true;
  }
  return true;
}

}  // namespace unspool::exec
