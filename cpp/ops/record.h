// What an operation is: the one place that says its name, arguments, mathematics, shapes and derivatives.
// Everything else (Python functions and methods, stubs, tape, tests, benchmarks) is derived from records.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/args.h"
#include "ops/call.h"
#include "tensor/tensor.h"

namespace unspool::ops {

// Where Python finds the operation.
enum Where : std::uint8_t {
  kTop = 1,         // unspool.name
  kMethod = 2,      // Tensor.name
  kFunctional = 4,  // unspool.nn.functional.name
  kLinalg = 8,      // unspool.linalg.name
  kHidden = 0,      // only called by other operations
};

enum class Kind : std::uint8_t {
  kElementwise,  // broadcasts; its kernel is one body per element
  kView,         // shows the storage of input 0 under another geometry
  kKernel,       // any other operation with a kernel of its own
  kComposite,    // made of other operations
  kUpdate,       // changes groups of tensors in place, once per element; gives nothing
};

// The dtype that an element-wise operation computes in and gives.
enum class Result : std::uint8_t {
  kPromoted,  // the promoted dtype of the operands
  kFloating,  // the same, but integers and bool become float32
  kBool,      // computes in the promoted dtype, gives bool
};

using DtypeSet = std::uint16_t;
constexpr DtypeSet bit(Dtype dtype) { return static_cast<DtypeSet>(1u << static_cast<unsigned>(dtype)); }
inline constexpr DtypeSet kFloats = bit(Dtype::kFloat32) | bit(Dtype::kFloat64);
inline constexpr DtypeSet kIntegers = bit(Dtype::kUInt8) | bit(Dtype::kInt32) | bit(Dtype::kInt64);
inline constexpr DtypeSet kBools = bit(Dtype::kBool);
inline constexpr DtypeSet kNumbers = kFloats | kIntegers;
inline constexpr DtypeSet kAnyDtype = kNumbers | kBools;

// Geometry and dtype of one output, before it exists.
struct OutputSpec {
  Dims sizes;
  Dtype dtype = Dtype::kFloat32;
};

// Handed to `infer`: checks the call, sets the outputs, and may ask for inputs in another dtype.
struct Inference : Call {
  std::span<OutputSpec> out;
  Dtype compute =
      Dtype::kFloat32;  // what the executor casts floating/integer tensor inputs to, where `casts` says so
  std::uint32_t casts = 0;  // bit i: input i is to be cast to `compute`
  int index = -1;           // the input that names places, int64 or int32: to be cast to int64

  void cast_all(Dtype dtype) {
    compute = dtype;
    casts = ~0u;
  }
  void give(int i, Dims sizes, Dtype dtype) { out[static_cast<std::size_t>(i)] = {std::move(sizes), dtype}; }
};

struct Geometry {
  Dims sizes;
  Dims strides;
  std::int64_t offset = 0;
};

class Vjp;

// Which values a derivative reads; the tape keeps only these.
using Reads = std::uint32_t;
constexpr Reads in(int i) { return 1u << i; }
constexpr Reads out(int i = 0) { return 1u << (16 + i); }
inline constexpr Reads kNothing = 0;

// The derivative for one tensor argument: its cotangent from the outputs' cotangents, written in operations.
struct Rule {
  Reads reads = 0;
  Tensor (*cotangent)(Vjp&) = nullptr;
};
using Rules = List<Rule, 6>;
constexpr Rule kNoGradient() { return {}; }

// The derivatives for all arguments at once, where one backward kernel yields them together.
struct JointRule {
  Reads reads = 0;
  void (*cotangents)(Vjp&, std::span<Tensor> grads) = nullptr;
};

inline constexpr int kMaxOutputs = 4;

struct Outputs {
  List<std::string_view, kMaxOutputs> names{"output"};
  constexpr int size() const { return names.size(); }
};

struct Record {
  std::string_view name;         // unique
  std::string_view python = {};  // the public name, where it differs or several records share it
  int where = kTop | kMethod;
  Kind kind = Kind::kKernel;
  std::string_view formula{};  // mathematics in the argument names
  std::string_view doc{};
  Args args{};
  Outputs outputs{};
  Result result = Result::kPromoted;
  DtypeSet dtypes = kAnyDtype;                 // of the computation
  bool has_in_place = false;                   // Python also gets name_
  bool only_in_place = false;                  // and nothing but name_
  bool row_major = false;                      // the kernel wants contiguous inputs
  bool first_is_mask = false;                  // element-wise: input 0 is bool, or uint8 and cast to it
  ErrorKind out_of_range = ErrorKind::kIndex;  // what is raised for an index beyond the kernel's limit
  int arity = 0;  // updates: tensors per parameter; the second, the gradient, is only read
  void (*infer)(Inference&) = nullptr;  // of element-wise operations: checks beyond the family's
  Geometry (*view)(const Call&) = nullptr;
  void (*compose)(const Call&, std::span<Tensor> out) = nullptr;
  // A composite's in-place form, where it is more than the result copied back.
  void (*change)(const Call&, const Tensor& target) = nullptr;
  void (*compose_many)(const Call&,
                       std::vector<Tensor>& out) = nullptr;  // where the number of outputs varies
  Rules vjp{};
  JointRule joint_vjp{};

  constexpr std::string_view public_name() const { return python.empty() ? name : python; }
  constexpr bool is_differentiable() const {
    return vjp.size() > 0 || joint_vjp.cotangents != nullptr || kind == Kind::kComposite;
  }
};

// The registered form of the operation that struct T declares.
template <class T>
inline Op op_of{T::record, 0};

template <class... Ts>
struct OpList {};

}  // namespace unspool::ops
