// A call enters the module's scope, so that operations know the path they run under, and goes straight to
// forward unless there are hooks.
#include "bind/module_base.h"

#include <structmember.h>

#include <string_view>

#include "bind/errors.h"
#include "ops/emitter.h"

namespace unspool::bind {
namespace {

struct PyModuleBase {
  PyObject_HEAD PyObject* scope;  // the name under which the parent registered this module; str or null
  char hooked;
};

PyTypeObject* base_type = nullptr;
bool has_global_hooks = false;
PyObject* forward_name = nullptr;
PyObject* hooked_call_name = nullptr;

class EnterScope {
 public:
  explicit EnterScope(PyObject* name) : before_(ops::thread_state().scope) {
    Py_ssize_t length = 0;
    const char* text = name ? PyUnicode_AsUTF8AndSize(name, &length) : "";
    if (!text) throw PythonError{};
    ops::thread_state().scope = child(before_, {text, static_cast<std::size_t>(length)});
  }
  ~EnterScope() { ops::thread_state().scope = before_; }
  EnterScope(const EnterScope&) = delete;
  EnterScope& operator=(const EnterScope&) = delete;

 private:
  // The tree of scopes is behind a lock; most calls repeat one of the last.
  static const ops::Scope* child(const ops::Scope* parent, std::string_view name) {
    struct Entry {
      const ops::Scope* parent = nullptr;
      std::string name;
      const ops::Scope* scope = nullptr;
    };
    static thread_local Entry recent[16];
    const std::size_t hash = (reinterpret_cast<std::uintptr_t>(parent) >> 5) ^ name.size() ^
                             (name.empty() ? 0 : static_cast<std::size_t>(name.back()));
    Entry& entry = recent[hash % 16];
    if (!entry.scope || entry.parent != parent || entry.name != name) {
      entry = {parent, std::string(name), ops::Scope::child(parent, name)};
    }
    return entry.scope;
  }

  const ops::Scope* before_;
};

PyModuleBase* as_base(PyObject* self) { return reinterpret_cast<PyModuleBase*>(self); }

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    const EnterScope scope(as_base(self)->scope);
    if (as_base(self)->hooked || has_global_hooks) {
      PyObject* keywords = kwargs ? Py_NewRef(kwargs) : checked(PyDict_New());
      const Owned held(keywords);
      PyObject* arguments[3] = {self, args, keywords};
      return checked(PyObject_VectorcallMethod(hooked_call_name, arguments, 3, nullptr));
    }
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
      const Owned forward(checked(PyObject_GetAttr(self, forward_name)));
      return checked(PyObject_Call(forward.get(), args, kwargs));
    }
    const Py_ssize_t count = PyTuple_GET_SIZE(args);
    PyObject* stack[8];
    if (count >= 8) {
      const Owned forward(checked(PyObject_GetAttr(self, forward_name)));
      return checked(PyObject_Call(forward.get(), args, nullptr));
    }
    stack[0] = self;
    for (Py_ssize_t i = 0; i < count; ++i) stack[i + 1] = PyTuple_GET_ITEM(args, i);
    return checked(
        PyObject_VectorcallMethod(forward_name, stack, static_cast<std::size_t>(count + 1), nullptr));
  });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_base(self)->scope);
  return 0;
}
int clear(PyObject* self) {
  Py_CLEAR(as_base(self)->scope);
  return 0;
}
void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* set_global_hooks(PyObject*, PyObject* value) {
  has_global_hooks = PyObject_IsTrue(value) == 1;
  Py_RETURN_NONE;
}

PyObject* current_scope(PyObject*, PyObject*) {
  const ops::Scope* scope = ops::thread_state().scope;
  return PyUnicode_FromString(scope ? scope->path().c_str() : "");
}

}  // namespace

void add_module_base(PyObject* core) {
  static PyMemberDef members[] = {
      {"_scope", T_OBJECT, offsetof(PyModuleBase, scope), 0,
       "The name under which the parent registered this module."},
      {"_hooked", T_BOOL, offsetof(PyModuleBase, hooked), 0, "Whether calls go through _call_with_hooks."},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(call)},         {Py_tp_members, members},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)}, {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},   {0, nullptr},
  };
  static PyType_Spec spec = {"unspool._core.ModuleBase", sizeof(PyModuleBase), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  static PyMethodDef functions[] = {
      {"set_global_hooks", set_global_hooks, METH_O, "Whether all module calls go through _call_with_hooks."},
      {"current_scope", current_scope, METH_NOARGS, "Dotted path of the module that is running, or ''."},
      {nullptr, nullptr, 0, nullptr},
  };
  forward_name = checked(PyUnicode_InternFromString("forward"));
  hooked_call_name = checked(PyUnicode_InternFromString("_call_with_hooks"));
  base_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
  if (PyModule_AddObjectRef(core, "ModuleBase", reinterpret_cast<PyObject*>(base_type)) < 0)
    throw PythonError{};
  if (PyModule_AddFunctions(core, functions) < 0) throw PythonError{};
}

}  // namespace unspool::bind
