// Lifetime of Tensor objects and the slots of their type; number operators go straight to their operations.
#include "bind/tensor_object.h"

#include <structmember.h>

#include <type_traits>

#include "bind/convert.h"
#include "bind/create.h"
#include "bind/errors.h"
#include "bind/indexing.h"
#include "bind/op_function.h"
#include "bind/subclass.h"
#include "bind/tensor_methods.h"
#include "ops/arithmetic.h"
#include "ops/comparison.h"
#include "ops/matmul.h"

namespace unspool::bind {

PyTypeObject* tensor_type = nullptr;

namespace {

PyTensor* as_object(PyObject* self) { return reinterpret_cast<PyTensor*>(self); }

void dealloc(PyObject* self) {
  PyTensor* object = as_object(self);
  if (object->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(object->dict);
  if (object->tensor && object->tensor->python == self) object->tensor->python = nullptr;
  object->tensor.~Tensor();
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* allocate(PyTypeObject* type, Tensor tensor) {
  PyObject* self = checked(type->tp_alloc(type, 0));
  PyTensor* object = as_object(self);
  new (&object->tensor) Tensor(std::move(tensor));
  object->dict = nullptr;
  object->weakrefs = nullptr;
  object->tensor->python = self;
  return self;
}

// --- number slots
// ----------------------------------------------------------------------------------------------------

// Both operands of a binary operator; false when one is neither tensor nor number, so that Python may ask the
// other.
bool read_pair(PyObject* a, PyObject* b, ops::Operand (&pair)[2]) {
  return to_operand(a, ops::ArgKind::kOperand, pair[0]) && to_operand(b, ops::ArgKind::kOperand, pair[1]);
}

// Python's bools cannot be subtracted; NumPy's, which comparisons of its numbers give, count as 0 and 1
// there.
void count_array_bool(PyObject* object, ops::Operand& operand) {
  if (operand.kind() == ops::Operand::Kind::kBool && !PyBool_Check(object))
    operand = ops::Operand(operand.integer());
}

template <class Op>
void prepare(PyObject* a, PyObject* b, ops::Operand (&pair)[2]) {
  if constexpr (std::is_same_v<Op, ops::Sub>) {
    count_array_bool(a, pair[0]);
    count_array_bool(b, pair[1]);
  }
}

// The method that is the operator's operation.
template <class Op>
std::string method_of() {
  return std::string(ops::op_of<Op>.record.public_name());
}

template <class Op, bool takes_alpha = false>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    ops::Operand pair[2];
    if (!read_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    if (has_subclasses) [[unlikely]] {
      if (PyObject* answer = ask_operator(method_of<Op>(), a, b)) return answer;
    }
    prepare<Op>(a, b, pair);
    static const ops::Attr alpha(1.0);
    Tensor out[1];
    ops::emitter().emit({ops::op_of<Op>, pair, {&alpha, takes_alpha ? 1u : 0u}}, out);
    return wrap(std::move(out[0]));
  });
}

template <class Op, bool takes_alpha = false>
PyObject* binary_into(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    ops::Operand pair[2];
    if (!is_tensor(a) || !read_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    if (has_subclasses) [[unlikely]] {
      if (PyObject* answer = ask_operator(method_of<Op>() + "_", a, b)) return answer;
    }
    prepare<Op>(a, b, pair);
    static const ops::Attr alpha(1.0);
    ops::emitter().emit_into({ops::op_of<Op>, pair, {&alpha, takes_alpha ? 1u : 0u}}, tensor_of(a));
    return Py_NewRef(a);
  });
}

template <class Op>
PyObject* unary(PyObject* a) {
  return guarded([&]() -> PyObject* {
    if (has_subclasses) [[unlikely]] {
      if (PyObject* answer = ask_operator(method_of<Op>(), a, nullptr)) return answer;
    }
    const ops::Operand operand(tensor_of(a));
    Tensor out[1];
    ops::emitter().emit({ops::op_of<Op>, {&operand, 1}, {}}, out);
    return wrap(std::move(out[0]));
  });
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) {
    PyErr_SetString(PyExc_TypeError, "pow(): a modulus is not supported for tensors");
    return nullptr;
  }
  return binary<ops::Pow>(a, b);
}
PyObject* power_into(PyObject* a, PyObject* b, PyObject*) { return binary_into<ops::Pow>(a, b); }

PyObject* matrix_product(PyObject* a, PyObject* b) {
  if (!is_tensor(a) || !is_tensor(b)) Py_RETURN_NOTIMPLEMENTED;
  return binary<ops::MatMul>(a, b);
}

// NumPy leaves == and != to the tensor, and where the tensor declines too, Python compares identities.
template <class Op>
PyObject* compare_equal(PyObject* a, PyObject* b) {
  if (is_tensor(b) || !is_array(b)) return binary<Op>(a, b);
  return guarded([&] {
    Owned copied(wrap(tensor_from_data(b, std::nullopt)));
    return binary<Op>(a, copied.get());
  });
}

PyObject* compare(PyObject* a, PyObject* b, int how) {
  switch (how) {
    case Py_EQ:
      return compare_equal<ops::Eq>(a, b);
    case Py_NE:
      return compare_equal<ops::Ne>(a, b);
    case Py_LT:
      return binary<ops::Lt>(a, b);
    case Py_LE:
      return binary<ops::Le>(a, b);
    case Py_GT:
      return binary<ops::Gt>(a, b);
    default:
      return binary<ops::Ge>(a, b);
  }
}

PyObject* absolute(PyObject* a) { return unary<ops::Abs>(a); }

int truth(PyObject* self) {
  return guarded(-1, [&] {
    const Tensor& tensor = tensor_of(self);
    if (tensor.numel() != 1) {
      fail("bool: the truth of a tensor of shape ", to_string(tensor.sizes()),
           " is ambiguous; use any() or all(), or index one element");
    }
    Owned item(checked(item_of(tensor)));
    return PyObject_IsTrue(item.get());
  });
}

PyObject* to_int(PyObject* self) {
  return guarded([&] {
    Owned item(checked(item_of(tensor_of(self))));
    return checked(PyNumber_Long(item.get()));
  });
}
PyObject* to_float(PyObject* self) {
  return guarded([&] {
    Owned item(checked(item_of(tensor_of(self))));
    return checked(PyNumber_Float(item.get()));
  });
}
PyObject* to_index(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& tensor = tensor_of(self);
    if (tensor.numel() != 1 || is_floating(tensor.dtype())) {
      fail(ErrorKind::kType, "index: only a tensor of one integer can be used as an index, not ",
           name(tensor.dtype()), " of shape ", to_string(tensor.sizes()));
    }
    Owned item(checked(item_of(tensor)));
    return checked(PyNumber_Long(item.get()));
  });
}

Py_ssize_t length(PyObject* self) {
  return guarded(static_cast<Py_ssize_t>(-1), [&]() -> Py_ssize_t {
    if (tensor_of(self).ndim() == 0) fail(ErrorKind::kType, "len: a 0-d tensor has no length");
    return static_cast<Py_ssize_t>(tensor_of(self).size(0));
  });
}

Py_hash_t identity_hash(PyObject* self) {
  const auto address = reinterpret_cast<std::uintptr_t>(self);
  return static_cast<Py_hash_t>((address >> 4) | (address << (8 * sizeof(void*) - 4)));
}

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] { return wrap_as(type, construct_legacy(args, kwargs)); });
}

template <class F>
void* slot(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void add_tensor_type(PyObject* module) {
  static PyMemberDef members[] = {
      {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static char doc[] =
      "An n-dimensional array whose operations can be recorded and differentiated.\n\n"
      "Made by unspool.tensor(data), from_numpy(array), zeros(sizes) and others; Tensor(sizes) is "
      "uninitialised\n"
      "float32. Slices, transposes and reshapes share memory where they can. What is computed from tensors "
      "with\n"
      "requires_grad=True is recorded, and backward() of a result adds up the gradients in their .grad.";
  static PyType_Slot slots[] = {
      {Py_tp_doc, doc},
      {Py_tp_new, slot(construct)},
      {Py_tp_dealloc, slot(dealloc)},
      {Py_tp_members, members},
      {Py_tp_getset, tensor_properties()},
      {Py_tp_methods, tensor_methods()},
      {Py_tp_hash, slot(identity_hash)},
      {Py_tp_richcompare, slot(compare)},
      {Py_tp_iter, slot(iterate)},
      {Py_mp_length, slot(length)},
      {Py_mp_subscript, slot(get_item)},
      {Py_mp_ass_subscript, slot(set_item)},
      {Py_sq_contains, slot(contains)},
      {Py_nb_add, slot(binary<ops::Add, true>)},
      {Py_nb_subtract, slot(binary<ops::Sub, true>)},
      {Py_nb_multiply, slot(binary<ops::Mul>)},
      {Py_nb_true_divide, slot(binary<ops::TrueDivide>)},
      {Py_nb_floor_divide, slot(binary<ops::FloorDivide>)},
      {Py_nb_remainder, slot(binary<ops::Remainder>)},
      {Py_nb_power, slot(power)},
      {Py_nb_matrix_multiply, slot(matrix_product)},
      {Py_nb_and, slot(binary<ops::BitwiseAnd>)},
      {Py_nb_or, slot(binary<ops::BitwiseOr>)},
      {Py_nb_xor, slot(binary<ops::BitwiseXor>)},
      {Py_nb_inplace_add, slot(binary_into<ops::Add, true>)},
      {Py_nb_inplace_subtract, slot(binary_into<ops::Sub, true>)},
      {Py_nb_inplace_multiply, slot(binary_into<ops::Mul>)},
      {Py_nb_inplace_true_divide, slot(binary_into<ops::TrueDivide>)},
      {Py_nb_inplace_floor_divide, slot(binary_into<ops::FloorDivide>)},
      {Py_nb_inplace_remainder, slot(binary_into<ops::Remainder>)},
      {Py_nb_inplace_power, slot(power_into)},
      {Py_nb_inplace_and, slot(binary_into<ops::BitwiseAnd>)},
      {Py_nb_inplace_or, slot(binary_into<ops::BitwiseOr>)},
      {Py_nb_inplace_xor, slot(binary_into<ops::BitwiseXor>)},
      {Py_nb_negative, slot(unary<ops::Neg>)},
      {Py_nb_positive, slot(unary<ops::Positive>)},
      {Py_nb_absolute, slot(absolute)},
      {Py_nb_invert, slot(unary<ops::BitwiseNot>)},
      {Py_nb_bool, slot(truth)},
      {Py_nb_int, slot(to_int)},
      {Py_nb_float, slot(to_float)},
      {Py_nb_index, slot(to_index)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"unspool.Tensor", sizeof(PyTensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                             slots};
  tensor_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
  if (PyModule_AddObjectRef(module, "Tensor", reinterpret_cast<PyObject*>(tensor_type)) < 0)
    throw PythonError{};
}

PyObject* wrap(Tensor tensor) {
  if (!tensor) Py_RETURN_NONE;
  if (tensor->python) return Py_NewRef(static_cast<PyObject*>(tensor->python));
  return allocate(tensor_type, std::move(tensor));
}

PyObject* wrap_as(PyTypeObject* type, Tensor tensor) {
  if (tensor->python) tensor = tensor.alias();
  return allocate(type, std::move(tensor));
}

}  // namespace unspool::bind
