// Which operations have an older form is read from their declarations: tensors by position, and after them
// nothing but scaling numbers by keyword.
#include "bind/older_form.h"

#include "bind/tensor_object.h"

namespace unspool::bind {
namespace {

bool is_scale(std::string_view name) { return name == "alpha" || name == "beta" || name == "value"; }

bool has_older_form(const Signature& signature) {
  const ops::Record& record = signature.op->record;
  const int total = record.args.size();
  if (signature.positional < 2 || signature.positional == total) return false;
  for (int i = 0; i < total; ++i) {
    const ops::Arg& arg = record.args[i];
    const bool fits =
        i < signature.positional ? ops::is_tensor_kind(arg.kind) && !arg.has_default : is_scale(arg.name);
    if (!fits) return false;
  }
  return true;
}

// The place of the k-th of `numbers` scaling numbers: after the first tensor, or around it where the function
// is called as addmm(beta, input, alpha, mat1, mat2).
Py_ssize_t place_of(Py_ssize_t k, bool around) { return around ? 2 * k : 1 + k; }

}  // namespace

std::optional<OlderForm> older_form(const Signature& signature, const RawArguments& raw) {
  const Py_ssize_t numbers = raw.count - signature.positional;
  const auto scales = static_cast<Py_ssize_t>(signature.names.size()) - signature.positional;
  if (numbers < 1 || numbers > scales || !has_older_form(signature)) return std::nullopt;
  const bool around = !is_tensor(raw.values[0]);
  if (around && signature.op->record.args[signature.positional].name != "beta") return std::nullopt;
  OlderForm form;
  Py_ssize_t taken = 0;
  for (Py_ssize_t i = 0; i < raw.count; ++i) {
    if (taken < numbers && i == place_of(taken, around)) {
      ++taken;
    } else if (is_tensor(raw.values[i])) {
      form.values.push_back(raw.values[i]);
    } else {
      return std::nullopt;
    }
  }
  for (Py_ssize_t k = 0; k < numbers; ++k) {
    form.values.push_back(raw.values[place_of(k, around)]);
    form.names.push_back(signature.names[static_cast<std::size_t>(signature.positional + k)]);
  }
  const Py_ssize_t keywords = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    form.values.push_back(raw.values[raw.count + k]);
    form.names.push_back(PyTuple_GET_ITEM(raw.keywords, k));
  }
  return form;
}

}  // namespace unspool::bind
