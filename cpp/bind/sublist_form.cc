// Numbers become letters in an order that keeps theirs: without an output list, indices are sorted.
#include "bind/sublist_form.h"

#include <string>

#include "bind/convert.h"
#include "bind/tensor_object.h"

namespace unspool::bind {
namespace {

bool holds_indices(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }

constexpr std::int64_t kLetters = 26;

void append_index(std::string& term, PyObject* index) {
  if (index == Py_Ellipsis) {
    term += "...";
    return;
  }
  const auto number = as_integer(index);
  if (!number) {
    fail(ErrorKind::kType, "einsum(): indices of a sublist must be ints or Ellipsis, not ",
         Py_TYPE(index)->tp_name);
  }
  if (*number < 0 || *number >= 2 * kLetters) {
    fail(ErrorKind::kValue, "einsum(): index ", *number, " of a sublist is not within [0, ", 2 * kLetters,
         ")");
  }
  term += static_cast<char>(*number < kLetters ? 'A' + *number : 'a' + (*number - kLetters));
}

void append_term(std::string& equation, PyObject* indices) {
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(indices); ++i)
    append_index(equation, PySequence_Fast_GET_ITEM(indices, i));
}

}  // namespace

std::optional<SublistForm> sublist_form(const Signature& signature, const RawArguments& raw) {
  if (signature.op->record.name != "einsum" || raw.count < 2) return std::nullopt;
  const Py_ssize_t operands = raw.count / 2;
  for (Py_ssize_t i = 0; i < operands; ++i) {
    if (!is_tensor(raw.values[2 * i]) || !holds_indices(raw.values[2 * i + 1])) return std::nullopt;
  }
  PyObject* output = raw.count % 2 ? raw.values[raw.count - 1] : nullptr;
  if (output && !holds_indices(output)) return std::nullopt;
  std::string equation;
  SublistForm form;
  form.values.push_back(nullptr);
  for (Py_ssize_t i = 0; i < operands; ++i) {
    if (i) equation += ',';
    append_term(equation, raw.values[2 * i + 1]);
    form.values.push_back(raw.values[2 * i]);
  }
  if (output) {
    equation += "->";
    append_term(equation, output);
  }
  form.count = static_cast<Py_ssize_t>(form.values.size());
  const Py_ssize_t keywords = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) form.values.push_back(raw.values[raw.count + k]);
  form.equation =
      Owned(checked(PyUnicode_FromStringAndSize(equation.data(), static_cast<Py_ssize_t>(equation.size()))));
  form.values[0] = form.equation.get();
  return form;
}

}  // namespace unspool::bind
