// Argument parsing is one loop over the declared arguments; records that share a public name are tried in
// registry order, and a call that fits none gets an error with all signatures.
#include "bind/op_function.h"

#include <structmember.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "bind/bits.h"
#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/older_form.h"
#include "bind/out.h"
#include "bind/signature.h"
#include "bind/subclass.h"
#include "bind/sublist_form.h"
#include "bind/tensor_object.h"
#include "ops/arithmetic.h"
#include "ops/emitter.h"
#include "ops/registry.h"

namespace unspool::bind {
namespace {

struct OpFunction {
  PyObject_HEAD vectorcallfunc call;
  // Leaked with the process: functions live as long as the extension.
  const std::vector<Signature>* overloads;
  bool in_place;
  PyObject* module;  // where it is found by its qualified name
  PyObject* name;
  PyObject* qualified_name;
  PyObject* doc;
  PyObject* outer;  // the Python function that is a call of this one, or null
};

PyTypeObject* function_type = nullptr;

PyObject* result_of(const Signature& signature, Tensor* out) {
  const int count = signature.op->record.outputs.size();
  if (count == 1) return wrap(std::move(out[0]));
  PyObject* result = checked(PyStructSequence_New(signature.result_type));
  for (int i = 0; i < count; ++i) PyStructSequence_SET_ITEM(result, i, wrap(std::move(out[i])));
  return result;
}

PyObject* many_results(const ops::Call& call) {
  std::vector<Tensor> pieces;
  call.op.record.compose_many(call, pieces);
  Owned result(checked(PyTuple_New(static_cast<Py_ssize_t>(pieces.size()))));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    PyTuple_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), wrap(std::move(pieces[i])));
  }
  return result.release();
}

PyObject* run(const OpFunction& function, const Signature& signature, const Arguments& arguments,
              PyObject* self) {
  const ops::Call call{*signature.op, arguments.operands, arguments.attrs};
  if (arguments.out) {
    if (function.in_place) {
      fail(ErrorKind::kType, text_of(function.name), "(): has no argument 'out'");
    }
    write_out(call, arguments.out);
    return Py_NewRef(arguments.out);
  }
  if (function.in_place) {
    ops::emitter().emit_into(call, tensor_of(self));
    return Py_NewRef(self);
  }
  if (signature.op->record.compose_many) return many_results(call);
  Tensor out[ops::kMaxOutputs];
  ops::emitter().emit(call, {out, static_cast<std::size_t>(signature.op->record.outputs.size())});
  return result_of(signature, out);
}

// Fails where a scaling number of a sum is not of a kind that the result can have.
void expect_scale(const std::string& name, const Signature& signature, const Arguments& arguments) {
  const ops::Op* op = signature.op;
  if (op != &ops::op_of<ops::Add> && op != &ops::op_of<ops::Sub> && op != &ops::op_of<ops::Rsub>) return;
  Category widest = Category::kBool;
  for (const ops::Operand& operand : arguments.operands) widest = std::max(widest, operand.category());
  ops::Operand scale;
  to_operand(arguments.scale, ops::ArgKind::kOperand, scale);
  if (scale.category() == Category::kBool && widest != Category::kBool) {
    fail(name, ": alpha is a bool, which scales only bool tensors; write 1 or 0");
  }
  if (scale.category() == Category::kFloating && widest != Category::kFloating) {
    fail(name,
         ": alpha must not be a floating number where the result is integral; write an int, or convert "
         "the tensors to a floating dtype");
  }
}

PyObject* run_checked(const OpFunction& function, const Signature& signature, const RawArguments& raw,
                      const Arguments& arguments) {
  if (arguments.scale) [[unlikely]]
    expect_scale(text_of(function.name), signature, arguments);
  if (function.in_place && (raw.count == 0 || !is_tensor(raw.values[0]))) {
    fail(ErrorKind::kType, text_of(function.name), "(): the tensor to change must be given first");
  }
  return run(function, signature, arguments, raw.count ? raw.values[0] : nullptr);
}

// Runs a call in the form of older scripts, with a warning the first time; null without error when it is
// none.
PyObject* run_older_form(const OpFunction& function, const RawArguments& raw) {
  static bool warned = false;
  for (const Signature& signature : *function.overloads) {
    const auto form = older_form(signature, raw);
    if (!form) continue;
    const auto named = static_cast<Py_ssize_t>(form->names.size());
    Owned names(checked(PyTuple_New(named)));
    for (Py_ssize_t k = 0; k < named; ++k) {
      PyTuple_SET_ITEM(names.get(), k, Py_NewRef(form->names[static_cast<std::size_t>(k)]));
    }
    const auto count = static_cast<Py_ssize_t>(form->values.size()) - named;
    const RawArguments today{form->values.data(), count, names.get()};
    Arguments arguments;
    std::string why;
    if (!parse(signature, today, arguments, why)) continue;
    const std::string name = text_of(function.name);
    if (!warned) {
      warned = true;
      issue_warning(name + "(): numbers before the tensors are an older form; write " +
                    show(name, signature));
    }
    return run_checked(function, signature, today, arguments);
  }
  return nullptr;
}

// Runs a call of einsum that has lists of indices in place of an equation; null without error when it is
// none.
PyObject* run_sublist_form(const OpFunction& function, const RawArguments& raw) {
  const Signature& signature = function.overloads->front();
  const auto form = sublist_form(signature, raw);
  if (!form) return nullptr;
  const RawArguments as_equation{form->values.data(), form->count, raw.keywords};
  Arguments arguments;
  std::string why;
  if (!parse(signature, as_equation, arguments, why)) return nullptr;
  return run_checked(function, signature, as_equation, arguments);
}

// The type of an argument that is no tensor but may know what the operation means for it, or of the first
// such item of a list or tuple; null when there is none.
PyObject* type_to_ask(PyObject* value) {
  if (is_tensor(value)) return nullptr;
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(value));
  if (PyObject_HasAttrString(type, "__torch_function__")) return type;
  if (!PyList_Check(value) && !PyTuple_Check(value)) return nullptr;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(value, i);
    type = reinterpret_cast<PyObject*>(Py_TYPE(item));
    if (!is_tensor(item) && PyObject_HasAttrString(type, "__torch_function__")) return type;
  }
  return nullptr;
}

// Asks arguments that are no tensors but may know what the operation means for them; null without error when
// none does.
PyObject* ask_arguments(PyObject* shown, const RawArguments& raw) {
  const Py_ssize_t named = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  for (Py_ssize_t i = 0; i < raw.count + named; ++i) {
    PyObject* type = type_to_ask(raw.values[i]);
    if (!type) continue;
    Owned positional(checked(PyTuple_New(raw.count)));
    for (Py_ssize_t k = 0; k < raw.count; ++k) {
      PyTuple_SET_ITEM(positional.get(), k, Py_NewRef(raw.values[k]));
    }
    Owned keywords(checked(PyDict_New()));
    for (Py_ssize_t k = 0; k < named; ++k) {
      PyObject* name = PyTuple_GET_ITEM(raw.keywords, k);
      if (PyDict_SetItem(keywords.get(), name, raw.values[raw.count + k]) < 0) throw PythonError{};
    }
    Owned types(checked(PyTuple_Pack(1, type)));
    Owned answer(checked(PyObject_CallMethod(type, "__torch_function__", "OOOO", shown, types.get(),
                                             positional.get(), keywords.get())));
    if (answer.get() != Py_NotImplemented) return answer.release();
  }
  return nullptr;
}

// What classes are told that they are asked about.
PyObject* shown(PyObject* callable) {
  PyObject* outer = reinterpret_cast<OpFunction*>(callable)->outer;
  return outer ? outer : callable;
}

PyObject* vectorcall(PyObject* callable, PyObject* const* args, std::size_t flags, PyObject* keywords) {
  const auto& function = *reinterpret_cast<OpFunction*>(callable);
  try {
    const RawArguments raw{args, PyVectorcall_NARGS(flags), keywords};
    if (has_subclasses) [[unlikely]] {
      if (PyObject* answer = ask_subclasses(shown(callable), raw)) return answer;
    }
    std::string why;
    for (const Signature& signature : *function.overloads) {
      Arguments arguments;
      if (parse(signature, raw, arguments, why)) return run_checked(function, signature, raw, arguments);
    }
    if (const auto dtype = dtype_to_view_as(function.overloads->front(), raw)) {
      return wrap(view_bits(tensor_of(raw.values[0]), *dtype));
    }
    if (PyObject* result = run_older_form(function, raw)) return result;
    if (PyObject* result = run_sublist_form(function, raw)) return result;
    if (PyObject* answer = ask_arguments(shown(callable), raw)) return answer;
    fail(ErrorKind::kType, mismatch(text_of(function.name), *function.overloads, raw, why));
  } catch (...) {
    set_python_error(text_of(function.name));
    return nullptr;
  }
}

PyObject* bind_method(PyObject* self, PyObject* object, PyObject*) {
  return object ? PyMethod_New(self, object) : Py_NewRef(self);
}

PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat("<operation %U>", reinterpret_cast<OpFunction*>(self)->name);
}

// Operations pickle as the name under which they are found in their module.
PyObject* reduce(PyObject* self, PyObject*) {
  return Py_NewRef(reinterpret_cast<OpFunction*>(self)->qualified_name);
}

PyObject* set_outer(PyObject* self, PyObject* function) {
  Py_XSETREF(reinterpret_cast<OpFunction*>(self)->outer, Py_NewRef(function));
  Py_RETURN_NONE;
}

// A member called __module__ would hide that of the type.
PyObject* attribute(PyObject* self, PyObject* name) {
  if (PyUnicode_CompareWithASCIIString(name, "__module__") == 0)
    return Py_NewRef(reinterpret_cast<OpFunction*>(self)->module);
  return PyObject_GenericGetAttr(self, name);
}

void create_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(OpFunction, call), READONLY, nullptr},
      {"__name__", T_OBJECT, offsetof(OpFunction, name), READONLY, nullptr},
      {"__qualname__", T_OBJECT, offsetof(OpFunction, qualified_name), READONLY, nullptr},
      {"__doc__", T_OBJECT, offsetof(OpFunction, doc), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                                  {"_set_outer", set_outer, METH_O,
                                   "_set_outer(function): the function of Python that calls this operation, "
                                   "which classes with __torch_function__ are shown in its place."},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
      {Py_tp_repr, reinterpret_cast<void*>(represent)},
      {Py_tp_getattro, reinterpret_cast<void*>(attribute)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"unspool.Operation", sizeof(OpFunction), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
                                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             slots};
  function_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
}

PyObject* make_function(const char* module, const std::string& name, const std::vector<Signature>* overloads,
                        bool in_place, bool is_method) {
  auto* function = reinterpret_cast<OpFunction*>(checked(function_type->tp_alloc(function_type, 0)));
  function->call = vectorcall;
  function->overloads = overloads;
  function->in_place = in_place;
  function->module = checked(PyUnicode_InternFromString(module));
  function->name = checked(PyUnicode_InternFromString(name.c_str()));
  function->qualified_name =
      is_method ? checked(PyUnicode_FromFormat("Tensor.%U", function->name)) : Py_NewRef(function->name);
  const std::string doc = docstring(name, *overloads, in_place);
  function->doc = checked(PyUnicode_FromStringAndSize(doc.data(), static_cast<Py_ssize_t>(doc.size())));
  return reinterpret_cast<PyObject*>(function);
}

void place(PyObject* owner, const std::string& name, PyObject* function) {
  if (PyObject_SetAttrString(owner, name.c_str(), function) < 0) throw PythonError{};
}

PyObject* add_submodule(PyObject* core, const char* name, const char* doc) {
  const std::string full = std::string("unspool._core.") + name;
  PyObject* module = checked(PyImport_AddModule(full.c_str()));
  if (PyModule_SetDocString(module, doc) < 0 || PyModule_AddObjectRef(core, name, module) < 0)
    throw PythonError{};
  return module;
}

}  // namespace

void add_operations(PyObject* core) {
  create_type();
  struct Place {
    int where;
    PyObject* owner;
    const char* module;
  };
  const Place places[] = {
      {ops::kTop, add_submodule(core, "ops", "Operations found as unspool.X."), "unspool"},
      {ops::kFunctional, add_submodule(core, "functional", "Operations found as unspool.nn.functional.X."),
       "unspool.nn.functional"},
      {ops::kLinalg, add_submodule(core, "linalg", "Operations found as unspool.linalg.X."),
       "unspool.linalg"},
      {ops::kHidden,
       add_submodule(core, "hidden", "Operations that only other operations call; for tests and tools."),
       "unspool._core.hidden"},
      {ops::kMethod, reinterpret_cast<PyObject*>(tensor_type), "unspool"},
  };
  for (const Place& target : places) {
    std::map<std::string, std::vector<const ops::Op*>> groups;
    for (const ops::Op* op : ops::registry()) {
      if (op->record.kind == ops::Kind::kUpdate) continue;
      const bool belongs = target.where == ops::kHidden ? op->record.where == ops::kHidden
                                                        : (op->record.where & target.where) != 0;
      if (belongs) groups[std::string(op->record.public_name())].push_back(op);
    }
    for (const auto& [name, members] : groups) {
      auto* overloads = new std::vector<Signature>;
      auto* in_place = new std::vector<Signature>;
      for (const ops::Op* op : members) {
        if (!op->record.only_in_place) overloads->push_back(make_signature(*op));
        if (op->record.has_in_place) in_place->push_back(make_signature(*op));
      }
      if (!overloads->empty()) {
        Owned function(make_function(target.module, name, overloads, false, target.where == ops::kMethod));
        place(target.owner, name, function.get());
      }
      if (target.where == ops::kLinalg || in_place->empty()) continue;
      Owned changing(make_function(target.module, name + "_", in_place, true, target.where == ops::kMethod));
      place(target.owner, name + "_", changing.get());
    }
  }
}

PyObject* registry_list() {
  Owned list(checked(PyList_New(0)));
  for (const ops::Op* op : ops::registry()) {
    Owned row(describe_record(op->record));
    if (PyList_Append(list.get(), row.get()) < 0) throw PythonError{};
  }
  return list.release();
}

}  // namespace unspool::bind
