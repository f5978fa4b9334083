// Matching calls against declared arguments.
#include "bind/signature.h"

#include <cstring>
#include <iterator>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"

namespace unspool::bind {

using ops::Arg;
using ops::ArgKind;
using ops::Attr;

namespace {

// NumPy's names for some arguments are accepted too, and those that PyTorch itself has two of.
const char* alias_of(std::string_view name) {
  if (name == "dim") return "axis";
  if (name == "keepdim") return "keepdims";
  if (name == "input") return "x";
  if (name == "other") return "x2";
  if (name == "split_size") return "split_size_or_sections";
  if (name == "src") return "other";
  return nullptr;
}

Attr default_of(const Arg& arg) {
  if (!arg.has_default) return Attr();
  switch (arg.kind) {
    case ArgKind::kInt:
      return Attr(static_cast<std::int64_t>(arg.number));
    case ArgKind::kFloat:
      return Attr(arg.number);
    case ArgKind::kBool:
      return Attr(arg.number != 0);
    case ArgKind::kText:
      return Attr(arg.text);
    case ArgKind::kDims:
      return Attr(Dims{static_cast<std::int64_t>(arg.number)});
    default:
      return Attr();
  }
}

PyTypeObject* make_result_type(const ops::Record& record) {
  const int count = record.outputs.size();
  // The interpreter keeps pointers into these, so they live as long as the process.
  auto* fields = new std::vector<PyStructSequence_Field>;
  for (std::string_view name : record.outputs.names) {
    fields->push_back({(new std::string(name))->c_str(), nullptr});
  }
  fields->push_back({nullptr, nullptr});
  auto* name = new std::string("unspool.return_types." + std::string(record.public_name()));
  auto* desc = new PyStructSequence_Desc{name->c_str(), nullptr, fields->data(), count};
  return reinterpret_cast<PyTypeObject*>(
      checked(reinterpret_cast<PyObject*>(PyStructSequence_NewType(desc))));
}

constexpr int kMaxArgs = static_cast<int>(std::size(ops::Args{}.items));

bool append_list(PyObject* const* items, Py_ssize_t count, Arguments& arguments) {
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!is_tensor(items[i])) return false;
    arguments.operands.push_back(ops::Operand(tensor_of(items[i])));
  }
  return true;
}

bool append_tensors(PyObject* object, Arguments& arguments) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) return false;
  return append_list(PySequence_Fast_ITEMS(object), PySequence_Fast_GET_SIZE(object), arguments);
}

// The place of the keyword among the declared arguments, or -1.
int find_keyword(const Signature& signature, PyObject* keyword) {
  const auto count = static_cast<int>(signature.names.size());
  for (int i = 0; i < count; ++i) {
    if (signature.names[static_cast<std::size_t>(i)] == keyword) return i;
  }
  const char* text = text_of(keyword);
  for (int i = 0; i < count; ++i) {
    const std::string_view name = signature.op->record.args[i].name;
    const char* alias = alias_of(name);
    if (name == text || (alias && std::strcmp(alias, text) == 0)) return i;
  }
  return -1;
}

// Views and operations that change their operand have nothing to write elsewhere.
bool takes_out(const Signature& signature) {
  const ops::Record& record = signature.op->record;
  return record.kind != ops::Kind::kView && !record.compose_many && !record.only_in_place;
}

bool is_integer_like(PyObject* object) {
  return PyLong_Check(object) || (PyIndex_Check(object) && !is_tensor(object)) ||
         (is_tensor(object) && tensor_of(object).ndim() == 0 && !is_floating(tensor_of(object).dtype()));
}

std::string type_of(PyObject* object) {
  if (is_tensor(object)) {
    return "Tensor of " + std::string(name(tensor_of(object).dtype())) + " " +
           to_string(tensor_of(object).sizes());
  }
  return object == Py_None ? "None" : Py_TYPE(object)->tp_name;
}

// What as_tensor() can be told to read.
bool holds_numbers(PyObject* object) {
  return PyList_Check(object) || PyTuple_Check(object) || PyObject_HasAttrString(object, "__array__");
}

}  // namespace

Signature make_signature(const ops::Op& op) {
  Signature signature{.op = &op, .names = {}, .defaults = {}};
  for (const Arg& arg : op.record.args) {
    signature.names.push_back(checked(PyUnicode_InternFromString(std::string(arg.name).c_str())));
    signature.defaults.push_back(default_of(arg));
    if (!arg.keyword_only) ++signature.positional;
  }
  if (signature.positional > 0) {
    const ArgKind last = op.record.args[signature.positional - 1].kind;
    signature.spells_out_last = last == ArgKind::kDims || last == ArgKind::kTensors;
  }
  if (op.record.outputs.size() > 1) signature.result_type = make_result_type(op.record);
  return signature;
}

bool parse(const Signature& signature, const RawArguments& raw, Arguments& arguments, std::string& why) {
  const ops::Record& record = signature.op->record;
  const int total = record.args.size();
  PyObject* given[kMaxArgs] = {};
  const auto positional = static_cast<Py_ssize_t>(signature.positional);
  // A trailing list may be spelt out: everything from its place on belongs to it.
  bool spelt_out = false;
  if (signature.spells_out_last && raw.count >= positional) {
    PyObject* first = raw.values[positional - 1];
    const bool is_list = record.args[signature.positional - 1].kind == ArgKind::kTensors;
    spelt_out = raw.count > positional || (is_list && is_tensor(first));
    if (spelt_out && !(is_list ? is_tensor(first) : is_integer_like(first))) spelt_out = false;
  }
  if (raw.count > positional && !spelt_out) {
    why = "takes " + std::to_string(positional) + " positional arguments but " + std::to_string(raw.count) +
          " were given";
    return false;
  }
  for (Py_ssize_t i = 0; i < std::min(raw.count, positional); ++i) given[i] = raw.values[i];
  const Py_ssize_t keywords = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(raw.keywords, k);
    PyObject* value = raw.values[raw.count + k];
    const int place = find_keyword(signature, keyword);
    if (place < 0) {
      if (PyUnicode_CompareWithASCIIString(keyword, "out") == 0 && takes_out(signature)) {
        arguments.out = value == Py_None ? nullptr : value;
        continue;
      }
      // What gives its input back may be asked for a layout; there is one.
      if (PyUnicode_CompareWithASCIIString(keyword, "memory_format") == 0 && record.formula == "input")
        continue;
      why = std::string("has no argument '") + text_of(keyword) + "'";
      return false;
    }
    if (given[place]) {
      why = "got two values for argument '" + std::string(record.args[place].name) + "'";
      return false;
    }
    given[place] = value;
  }
  for (int i = 0; i < total; ++i) {
    const Arg& arg = record.args[i];
    PyObject* value = given[i];
    if (!value) {
      if (!arg.has_default) {
        why = "argument '" + std::string(arg.name) + "' is missing";
        return false;
      }
      if (ops::is_tensor_kind(arg.kind))
        arguments.operands.emplace_back();
      else
        arguments.attrs.push_back(signature.defaults[static_cast<std::size_t>(i)]);
      continue;
    }
    bool fits = false;
    const bool takes_rest = spelt_out && i == signature.positional - 1;
    if (arg.kind == ArgKind::kTensors) {
      fits = takes_rest ? append_list(raw.values + i, raw.count - i, arguments)
                        : append_tensors(value, arguments);
    } else if (ops::is_tensor_kind(arg.kind)) {
      ops::Operand operand;
      fits = to_operand(value, arg.kind, operand);
      arguments.operands.push_back(std::move(operand));
    } else if (takes_rest) {
      Dims dims;
      fits = true;
      for (Py_ssize_t k = i; k < raw.count && fits; ++k) {
        const auto size = as_integer(raw.values[k]);
        fits = size.has_value();
        if (fits) dims.push_back(*size);
      }
      arguments.attrs.push_back(Attr(dims));
    } else {
      Attr attr;
      fits = to_attr(value, arg.kind, attr);
      arguments.attrs.push_back(std::move(attr));
      // Real numbers that go only by keyword scale an operand.
      if (arg.keyword_only && arg.kind == ArgKind::kFloat && !PyLong_CheckExact(value))
        arguments.scale = value;
    }
    if (!fits) {
      const bool is_dims = arg.kind == ArgKind::kDims || arg.kind == ArgKind::kOptionalDims;
      why = "argument '" + std::string(arg.name) + "' must be " + kind_name(arg.kind) + ", " +
            (is_dims ? why_no_dims(value) : "not " + type_of(value));
      if (arg.kind == ArgKind::kTensor && holds_numbers(value)) why += " (unspool.as_tensor() makes one)";
      return false;
    }
  }
  return true;
}

std::string mismatch(const std::string& name, const std::vector<Signature>& overloads,
                     const RawArguments& raw, const std::string& why) {
  if (overloads.size() == 1) return name + "(): " + why + "; the signature is " + show(name, overloads[0]);
  std::string text = name + "(): no form takes (";
  const Py_ssize_t keywords = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  for (Py_ssize_t i = 0; i < raw.count + keywords; ++i) {
    if (i) text += ", ";
    if (i >= raw.count) text += std::string(text_of(PyTuple_GET_ITEM(raw.keywords, i - raw.count))) + "=";
    text += type_of(raw.values[i]);
  }
  text += "); the forms are";
  for (const Signature& signature : overloads) text += "\n  " + show(name, signature);
  return text;
}

std::string show(const std::string& name, const Signature& signature) {
  std::string text = name + "(";
  bool starred = false;
  const ops::Record& record = signature.op->record;
  for (int i = 0; i < record.args.size(); ++i) {
    const Arg& arg = record.args[i];
    if (i) text += ", ";
    if (arg.keyword_only && !starred) {
      text += "*, ";
      starred = true;
    }
    text += arg.name;
    if (!arg.has_default) continue;
    const Attr value = signature.defaults[static_cast<std::size_t>(i)];
    switch (value.kind()) {
      case Attr::Kind::kBool:
        text += value.flag() ? "=True" : "=False";
        break;
      case Attr::Kind::kInt:
        text += "=" + std::to_string(value.integer());
        break;
      case Attr::Kind::kFloat: {
        std::ostringstream number;
        number << value.number();
        text += "=" + number.str();
        break;
      }
      case Attr::Kind::kText:
        text += "='" + std::string(value.text()) + "'";
        break;
      case Attr::Kind::kDims:
        text += "=" + std::to_string(value.dims()[0]);
        break;
      default:
        text += "=None";
    }
  }
  return text + ")";
}

std::string docstring(const std::string& name, const std::vector<Signature>& overloads, bool in_place) {
  std::string text;
  for (const Signature& signature : overloads) text += show(name, signature) + "\n";
  for (const Signature& signature : overloads) {
    text += "\n" + std::string(signature.op->record.doc) +
            "\n\nFormula: " + std::string(signature.op->record.formula) + "\n";
  }
  if (in_place) text += "\nChanges the first tensor in place and returns it.\n";
  return text;
}

namespace {

PyObject* python_text(std::string_view text) {
  return checked(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

void put(PyObject* dict, const char* key, PyObject* value) {
  Owned owned(checked(value));
  if (PyDict_SetItemString(dict, key, owned.get()) < 0) throw PythonError{};
}

void append(PyObject* list, PyObject* value) {
  Owned owned(checked(value));
  if (PyList_Append(list, owned.get()) < 0) throw PythonError{};
}

PyObject* default_object(const Arg& arg) {
  const Attr value = default_of(arg);
  switch (value.kind()) {
    case Attr::Kind::kBool:
      return PyBool_FromLong(value.flag());
    case Attr::Kind::kInt:
      return PyLong_FromLongLong(value.integer());
    case Attr::Kind::kFloat:
      return PyFloat_FromDouble(value.number());
    case Attr::Kind::kText:
      return python_text(value.text());
    case Attr::Kind::kDims:
      return PyLong_FromLongLong(value.dims()[0]);
    default:
      Py_RETURN_NONE;
  }
}

const char* name_of(ops::Kind kind) {
  switch (kind) {
    case ops::Kind::kElementwise:
      return "elementwise";
    case ops::Kind::kView:
      return "view";
    case ops::Kind::kComposite:
      return "composite";
    case ops::Kind::kUpdate:
      return "update";
    default:
      return "kernel";
  }
}

}  // namespace

PyObject* describe_record(const ops::Record& record) {
  Owned row(checked(PyDict_New()));
  put(row.get(), "name", python_text(record.name));
  put(row.get(), "python_name", python_text(record.public_name()));
  put(row.get(), "kind", python_text(name_of(record.kind)));
  put(row.get(), "formula", python_text(record.formula));
  put(row.get(), "doc", python_text(record.doc));
  put(row.get(), "differentiable", PyBool_FromLong(record.is_differentiable()));
  put(row.get(), "in_place", PyBool_FromLong(record.has_in_place));
  put(row.get(), "only_in_place", PyBool_FromLong(record.only_in_place));
  put(row.get(), "outputs",
      record.compose_many ? Py_NewRef(Py_None) : PyLong_FromLong(record.outputs.size()));
  Owned where(checked(PyList_New(0)));
  if (record.where & ops::kTop) append(where.get(), python_text("torch"));
  if (record.where & ops::kMethod) append(where.get(), python_text("Tensor"));
  if (record.where & ops::kFunctional) append(where.get(), python_text("nn.functional"));
  if (record.where & ops::kLinalg) append(where.get(), python_text("linalg"));
  put(row.get(), "namespace", where.release());
  Owned names(checked(PyList_New(0)));
  for (std::string_view name : record.outputs.names) append(names.get(), python_text(name));
  put(row.get(), "output_names", names.release());
  Owned args(checked(PyList_New(0)));
  for (const Arg& arg : record.args) {
    Owned entry(checked(PyDict_New()));
    put(entry.get(), "name", python_text(arg.name));
    put(entry.get(), "kind", python_text(kind_name(arg.kind)));
    put(entry.get(), "required", PyBool_FromLong(!arg.has_default));
    put(entry.get(), "keyword_only", PyBool_FromLong(arg.keyword_only));
    put(entry.get(), "default", default_object(arg));
    append(args.get(), entry.release());
  }
  put(row.get(), "args", args.release());
  return row.release();
}

}  // namespace unspool::bind
