// What a derivative rule is handed: the outputs' cotangents, the values it declared to read, and the call's
// attributes. Implemented by the tape (which unpacks what it saved) and by tests (which record what is read).
#pragma once

#include "ops/call.h"
#include "ops/record.h"

namespace unspool::ops {

class Vjp {
 public:
  explicit Vjp(const Call& call) : call_(call) {}
  virtual ~Vjp() = default;

  // The cotangent of output i; zeros when nothing flowed into it.
  virtual const Tensor& g(int i = 0) = 0;
  virtual bool has_g(int i) const = 0;
  // Input i, which the rule must have declared; a number where the caller wrote one.
  virtual Operand in(int i) = 0;
  virtual Tensor out(int i = 0) = 0;
  // Whether the cotangent of input i is wanted.
  virtual bool wants(int i) const = 0;
  // Geometry of a wanted input, known without its data.
  virtual const Dims& sizes(int i) const = 0;
  virtual Dtype dtype(int i) const = 0;
  // For list arguments: which element the rule is asked about.
  int index = 0;

  Tensor x(int i = 0) { return in(i).tensor(); }
  const Attr& attr(std::string_view name) const { return call_.attr(name); }
  bool flag(std::string_view name) const { return call_.flag(name); }
  std::int64_t integer(std::string_view name) const { return call_.integer(name); }
  double number(std::string_view name) const { return call_.number(name); }
  std::string_view text(std::string_view name) const { return call_.text(name); }
  const Dims& dims(std::string_view name) const { return call_.dims(name); }

 protected:
  Call call_;
};

// The rule of an operand whose cotangent is that of the output. The tape knows it by its address, and hands
// the cotangent on without a call.
inline Tensor pass_on(Vjp& v) { return v.g(); }

}  // namespace unspool::ops
