// What explain, summary and verify see of the core.
#include <pybind11/stl.h>

#include <memory>
#include <unordered_map>

#include "base/host_lock.h"
#include "bind/autograd.h"
#include "bind/caster.h"
#include "bind/signature.h"
#include "bind/topics.h"
#include "exec/observer.h"
#include "exec/recorder.h"
#include "exec/tape.h"
#include "ops/api.h"
#include "ops/registry.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

using exec::RecordedCall;
using ops::Attr;
using ops::Operand;

py::object attr_object(const Attr& attr) {
  switch (attr.kind()) {
    case Attr::Kind::kBool:
      return py::bool_(attr.flag());
    case Attr::Kind::kInt:
      return py::int_(attr.integer());
    case Attr::Kind::kFloat:
      return py::float_(attr.number());
    case Attr::Kind::kDtype:
      return py::cast(attr.dtype());
    case Attr::Kind::kText:
      return py::str(attr.text().data(), attr.text().size());
    case Attr::Kind::kDims: {
      py::tuple dims(attr.dims().size());
      for (std::size_t d = 0; d < attr.dims().size(); ++d) dims[d] = attr.dims()[d];
      return dims;
    }
    default:
      return py::none();
  }
}

py::dict attributes_of(const ops::Op& op, std::span<const Attr> attrs) {
  py::dict result;
  std::size_t next = 0;
  for (const ops::Arg& arg : op.record.args) {
    if (ops::is_tensor_kind(arg.kind)) continue;
    if (next < attrs.size()) result[py::str(arg.name.data(), arg.name.size())] = attr_object(attrs[next++]);
  }
  return result;
}

py::object operand_object(const Operand& operand) {
  switch (operand.kind()) {
    case Operand::Kind::kTensor:
      return py::cast(operand.tensor());
    case Operand::Kind::kFloat:
      return py::float_(operand.number());
    case Operand::Kind::kInt:
      return py::int_(operand.integer());
    case Operand::Kind::kBool:
      return py::bool_(operand.integer() != 0);
    default:
      return py::none();
  }
}

Operand operand_of(py::handle object) {
  if (object.is_none()) return {};
  if (is_tensor(object.ptr())) return tensor_of(object.ptr());
  if (PyBool_Check(object.ptr())) return object.cast<bool>();
  if (PyLong_Check(object.ptr())) return object.cast<std::int64_t>();
  return object.cast<double>();
}

py::list list_of(std::span<const Tensor> tensors) {
  py::list result;
  for (const Tensor& tensor : tensors) result.append(tensor);
  return result;
}

py::str name_of(const ops::Op& op) { return {op.record.name.data(), op.record.name.size()}; }

std::string path_of(const ops::Scope* scope) { return scope ? scope->path() : ""; }

// The same call over other operands, out of place. `widened`: a floating dtype among the attributes becomes
// float64.
py::list run_again(const RecordedCall& self, const py::sequence& operands, bool widened) {
  std::vector<Operand> in;
  for (py::handle operand : operands) in.push_back(operand_of(operand));
  std::vector<Attr> attrs = self.attrs;
  for (Attr& attr : attrs) {
    if (widened && attr.kind() == Attr::Kind::kDtype && is_floating(attr.dtype()))
      attr = Attr(Dtype::kFloat64);
  }
  Tensor out[ops::kMaxOutputs];
  const auto count = static_cast<std::size_t>(self.op->record.outputs.size());
  ops::emitter().emit({*self.op, in, attrs}, {out, count});
  return list_of({out, count});
}

void bind_call(py::module_& core) {
  py::class_<RecordedCall, std::shared_ptr<RecordedCall>>(core, "RecordedCall", "One call of an operation.")
      .def_property_readonly(
          "name", [](const RecordedCall& self) { return name_of(*self.op); }, "The record's unique name.")
      .def_property_readonly(
          "scope", [](const RecordedCall& self) { return path_of(self.scope); },
          "Dotted path of the module that was running.")
      .def_property_readonly(
          "operands",
          [](const RecordedCall& self) {
            py::list result;
            for (const Operand& operand : self.in) result.append(operand_object(operand));
            return result;
          },
          "Tensors, numbers and None, as the call was given them.")
      .def_property_readonly(
          "attributes", [](const RecordedCall& self) { return attributes_of(*self.op, self.attrs); },
          "Arguments that are no tensors, by name.")
      .def_property_readonly(
          "outputs", [](const RecordedCall& self) { return list_of(self.out); }, "The results.")
      .def("run", &run_again, py::arg("operands"), py::arg("widened"),
           "Call the operation again, out of place, over other operands.");
}

// Calls in a with block, on this thread.
class CallRecorder {
 public:
  explicit CallRecorder(bool whole) : recorder_(whole) {}
  void enter() { before_ = std::exchange(ops::thread_state().emitter, &recorder_); }
  void exit() { ops::thread_state().emitter = before_; }
  std::vector<RecordedCall> take() { return recorder_.take(); }

 private:
  exec::Recorder recorder_;
  ops::Emitter* before_ = nullptr;
};

// Keeps a copy of what every recorded call was given, and shows it to Python when the call is unwound.
class Observation final : public exec::Observer {
 public:
  Observation(py::function unwound, py::function hooked, py::function begun, py::function finished)
      : unwound_(std::move(unwound)),
        hooked_(std::move(hooked)),
        begun_(std::move(begun)),
        finished_(std::move(finished)) {}

  void enter() {
    if (exec::observer()) fail("Observation: somebody looks on already on this thread");
    exec::observer() = this;
  }
  void exit() {
    exec::observer() = nullptr;
    calls_.clear();
  }
  void pause() { exec::observer() = nullptr; }
  void resume() { exec::observer() = this; }

  void recorded(const ops::Call& call, const exec::Node& node, const Tensor& target,
                const Tensor& overwritten) override {
    if (ops::thread_state().emitter) return;  // being captured: what runs here is written down
    const exec::Unobserved alone;
    const ops::GradMode mode(false);
    auto kept = std::make_shared<RecordedCall>(call, std::span<const Tensor>());
    for (Operand& operand : kept->in) {
      if (!operand.is_tensor()) continue;
      const bool is_old = overwritten && &operand.impl() == &target.impl();
      operand = ops::clone((is_old ? overwritten : operand.tensor()).alias());
    }
    calls_[node.sequence] = std::move(kept);
  }
  void unwound(const exec::Node& node, std::span<const Tensor> cotangents,
               std::span<const Tensor> grads) override {
    const auto found = calls_.find(node.sequence);
    if (found == calls_.end() || ops::thread_state().emitter) return;
    const std::shared_ptr<RecordedCall> call = found->second;
    const exec::Unobserved alone;
    const WithGil gil;
    const py::object handle =
        py::reinterpret_steal<py::object>(node_object(Ref<GraphNode>(const_cast<exec::Node*>(&node))));
    unwound_(handle, call, list_of(cotangents), list_of(grads));
  }
  void hooked(const exec::Node& node, std::uint32_t output, const Tensor& before,
              const Tensor& after) override {
    const exec::Unobserved alone;
    const WithGil gil;
    const Tensor leaf =
        node.is_leaf() ? Tensor(Ref<TensorImpl>(static_cast<const exec::LeafNode&>(node).leaf())) : Tensor();
    hooked_(node.name(), path_of(node.scope), output, leaf, before, after);
  }
  void dying(const exec::Node& node) noexcept override { calls_.erase(node.sequence); }
  // Only the outermost unwinding is told of.
  void begun() override {
    if (depth_++ > 0) return;
    const WithGil gil;
    begun_();
  }
  void finished() override {
    if (depth_ > 1) return;
    const exec::Unobserved alone;
    const WithGil gil;
    finished_();
  }
  void ended() noexcept override { --depth_; }
  int depth() const { return depth_; }

 private:
  py::function unwound_;
  py::function hooked_;
  py::function begun_;
  py::function finished_;
  int depth_ = 0;  // of unwindings inside of each other
  std::unordered_map<std::uint64_t, std::shared_ptr<RecordedCall>> calls_;  // by the node's sequence
};

py::object inspect(py::handle object) {
  const Ref<GraphNode> node = node_of_object(object.ptr());
  const auto report = exec::inspect(static_cast<const exec::Node&>(*node));
  if (!report) return py::none();
  py::dict saved;
  for (const auto& [place, value] : report->saved) saved[py::int_(place)] = operand_object(value);
  py::dict result;
  result["name"] = name_of(*report->op);
  result["attributes"] = attributes_of(*report->op, report->attrs);
  result["saved"] = saved;
  result["released"] = static_cast<const exec::Node&>(*node).released;
  return result;
}

py::list outputs_of(py::handle object) {
  const Ref<GraphNode> ref = node_of_object(object.ptr());
  const auto& node = static_cast<const exec::Node&>(*ref);
  py::list result;
  for (std::uint32_t i = 0; i < node.output_count(); ++i) {
    const ops::OutputSpec spec = node.output(i);
    py::tuple sizes(spec.sizes.size());
    for (std::size_t d = 0; d < spec.sizes.size(); ++d) sizes[d] = spec.sizes[d];
    result.append(py::make_tuple(sizes, spec.dtype));
  }
  return result;
}

py::list unwind_alone(py::handle object, const std::vector<Tensor>& cotangents) {
  const Ref<GraphNode> ref = node_of_object(object.ptr());
  auto& node = static_cast<exec::Node&>(*ref);
  std::vector<Tensor> arrived = cotangents;
  std::vector<Tensor> grads(node.input_count());
  SmallVector<bool, 8> wanted(grads.size());
  for (std::uint32_t i = 0; i < grads.size(); ++i) wanted[i] = static_cast<bool>(node.edge(i));
  const ops::GradMode mode(false);
  node.unwind(arrived, wanted, grads);
  return list_of(grads);
}

}  // namespace

void bind_inspection(py::module_& core) {
  bind_call(core);
  py::class_<CallRecorder>(core, "CallRecorder", "Lists the calls of operations in a with block.")
      .def(py::init<bool>(), py::arg("whole"))
      .def("__enter__",
           [](py::object self) {
             self.cast<CallRecorder&>().enter();
             return self;
           })
      .def("__exit__", [](CallRecorder& self, const py::args&) { self.exit(); })
      .def("take", &CallRecorder::take, "The calls so far, which are then forgotten.");
  py::class_<Observation>(core, "Observation", "Shows every recorded call to Python when it is unwound.")
      .def(py::init<py::function, py::function, py::function, py::function>(), py::arg("unwound"),
           py::arg("hooked"), py::arg("begun"), py::arg("finished"))
      .def_property_readonly("depth", &Observation::depth, "How many unwindings run inside of each other.")
      .def("pause", &Observation::pause, "Look away.")
      .def("resume", &Observation::resume, "Look on again.")
      .def("__enter__", [](Observation& self) { self.enter(); })
      .def("__exit__", [](Observation& self, const py::args&) { self.exit(); });
  core.def("_inspect_node", &inspect);
  core.def("_output_number", [](const Tensor& tensor) { return tensor->output_nr; });
  core.def("_node_outputs", &outputs_of);
  core.def("_unwind_node", &unwind_alone);
}

}  // namespace unspool::bind
