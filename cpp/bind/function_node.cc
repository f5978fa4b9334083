// A user-defined Function on the tape: the node calls back into Python with the cotangents.
#include "bind/autograd.h"
#include "bind/caster.h"
#include "bind/topics.h"
#include "exec/node.h"
#include "exec/views.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

// `backward` is called as backward(node, *cotangents) and returns a sequence with one entry per tensor input;
// `release` frees what the context saved, `held` lists its tensors.
class FunctionNode final : public exec::Node {
 public:
  FunctionNode(std::string name, py::object backward, py::object release, py::object held,
               const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs, bool materializes)
      : materializes_(materializes),
        name_(std::move(name)),
        backward_(backward.release().ptr()),
        release_(release.release().ptr()),
        held_(held.release().ptr()) {
    for (const Tensor& input : inputs) edges_.push_back(input ? exec::edge_of(input.impl()) : exec::Edge{});
    for (const Tensor& output : outputs) specs_.push_back({output.sizes(), output.dtype()});
    sequence = exec::take_sequence({edges_.data(), edges_.size()});
  }

  std::string name() const override { return name_; }
  exec::Links links() const override {
    return {{edges_.data(), edges_.size()},
            static_cast<std::uint32_t>(edges_.size()),
            static_cast<std::uint32_t>(specs_.size())};
  }
  ops::OutputSpec output(std::uint32_t i) const override { return specs_[i]; }
  bool is_like_output(std::uint32_t i, const TensorImpl& x) const override {
    return x.dtype == specs_[i].dtype && x.sizes == specs_[i].sizes;
  }

  void unwind(std::span<Tensor> cotangents, std::span<const bool>, std::span<Tensor> grads) override {
    if (released) {
      fail("backward: the graph was already freed when ", name_,
           " was unwound; call backward(retain_graph=True) the first time to unwind it twice");
    }
    const WithGil gil;
    py::tuple arguments(cotangents.size() + 1);
    arguments[0] = py::reinterpret_steal<py::object>(node_object(Ref<GraphNode>(this)));
    for (std::size_t i = 0; i < cotangents.size(); ++i) {
      if (!cotangents[i] && materializes_) cotangents[i] = ops::full(specs_[i].sizes, 0.0, specs_[i].dtype);
      arguments[i + 1] = cotangents[i];
    }
    const py::object result =
        py::reinterpret_steal<py::object>(checked(PyObject_CallObject(backward_, arguments.ptr())));
    std::size_t i = 0;
    for (py::handle item : result) {
      if (i < grads.size() && !item.is_none()) {
        if (!is_tensor(item.ptr())) {
          fail(ErrorKind::kType, name_, ".backward: returned ", Py_TYPE(item.ptr())->tp_name, " as gradient ",
               i, "; expected a Tensor or None");
        }
        grads[i] = tensor_of(item.ptr());
      }
      ++i;
    }
    if (i != grads.size()) {
      fail(name_, ".backward: returned ", i, " gradients for ", grads.size(), " inputs");
    }
  }

  void release() override {
    const WithGil gil;
    Owned result(checked(PyObject_CallNoArgs(release_)));
    released = true;
  }
  void visit_saved(const exec::StorageVisitor& visit) const override {
    if (released) return;
    const WithGil gil;
    const py::object tensors = py::reinterpret_steal<py::object>(checked(PyObject_CallNoArgs(held_)));
    for (py::handle tensor : tensors) visit(*tensor_of(tensor.ptr())->storage);
  }
  std::size_t bytes() const override {
    const std::size_t outside = edges_.size() > kOwnEdges ? edges_.size() * sizeof(exec::Edge) : 0;
    return sizeof(FunctionNode) + outside + specs_.capacity() * sizeof(ops::OutputSpec);
  }
  bool runs_user_code() const override { return true; }

 private:
  ~FunctionNode() = default;
  void destroy_now() noexcept override {
    if (!is_finalizing()) {
      const WithGil gil;
      Py_DECREF(backward_);
      Py_DECREF(release_);
      Py_DECREF(held_);
    }
    delete this;
  }

  bool materializes_;  // whether undefined cotangents become zeros
  std::string name_;
  PyObject* backward_;
  PyObject* release_;
  PyObject* held_;
  static constexpr std::size_t kOwnEdges = 2;
  SmallVector<exec::Edge, kOwnEdges> edges_;
  std::vector<ops::OutputSpec> specs_;
};

// Makes `outputs` results of a new node. Inputs among them, and what has a history, are given out as views.
py::tuple record_function(const std::string& name, py::object backward, py::object release, py::object held,
                          const py::tuple& inputs, const py::tuple& outputs, const py::tuple& differentiable,
                          bool materializes) {
  std::vector<Tensor> ins, outs;
  for (py::handle input : inputs) ins.push_back(is_tensor(input.ptr()) ? tensor_of(input.ptr()) : Tensor());
  for (py::handle output : outputs) outs.push_back(output.cast<Tensor>());
  for (Tensor& output : outs) {
    bool is_input = false;
    for (const Tensor& input : ins) is_input = is_input || (input && input.is_same(output));
    if (!is_input && !output->node && !output->requires_grad) continue;
    Tensor view = output.alias();
    view->base = output->base ? output->base : output.ref();
    view->history = view->base->history;
    view->made_without_grad = true;
    output = std::move(view);
  }
  const Ref<GraphNode> node(new FunctionNode(name, std::move(backward), std::move(release), std::move(held),
                                             ins, outs, materializes));
  py::tuple result(outs.size());
  for (std::size_t i = 0; i < outs.size(); ++i) {
    if (differentiable[i].cast<bool>() && is_floating(outs[i].dtype())) {
      outs[i]->node = node;
      outs[i]->output_nr = static_cast<std::uint32_t>(i);
      outs[i]->requires_grad = true;
    }
    result[i] = outs[i];
  }
  return result;
}

// After an in-place Function: the changed input itself becomes the output.
void attach_saved_history(const Tensor& value, const Tensor& output) {
  if (!output.requires_grad()) return;
  const TensorImpl& owner = value->base ? *value->base : value.impl();
  if (owner.requires_grad && exec::is_leaf(owner)) {
    fail(
        "mark_dirty: a leaf that requires grad cannot be changed in place; use no_grad(), or work on a "
        "clone()");
  }
  exec::replace_history(value, exec::edge_of(output.impl()));
}

// A saved output, seen again as result `number` of the node, so that its own gradient can be taken.
Tensor result_of_node(const Ref<GraphNode>& node, std::uint32_t number, const Tensor& value) {
  if (!ops::thread_state().grad_enabled) return value;
  Tensor result = value.alias();
  result->node = node;
  result->output_nr = number;
  result->requires_grad = true;
  return result;
}

}  // namespace

void bind_function_node(py::module_& core) {
  core.def("_record_function", &record_function);
  core.def("_result_of", [](py::handle node, std::uint32_t number, const Tensor& value) {
    return result_of_node(node_of_object(node.ptr()), number, value);
  });
  core.def("_attach_history", &attach_saved_history);
  core.def("_mark_written", [](const Tensor& tensor) { tensor->storage->mark_written("a custom Function"); });
}

}  // namespace unspool::bind
