// Operations without tensor inputs: constants, ranges and random numbers. Random ones draw in element order
// from the generator they are given, by default the process-wide one.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_sized(Inference& c);
void infer_arange(Inference& c);
void infer_like(Inference& c);

constexpr Record created(std::string_view name, std::string_view formula, std::string_view doc, Args args) {
  Record record{.name = name, .where = kHidden, .formula = formula, .doc = doc};
  record.args = args;
  record.infer = infer_sized;
  return record;
}

struct Full {
  static constexpr Record record = [] {
    Record r = created("full_of", "fill_value everywhere", "A constant tensor.",
                       {dims("size"), real("fill_value"), dtype()});
    r.python = "fill_";
    return r;
  }();
};

struct Arange {
  static constexpr Record record = [] {
    Record r = created("arange_of", "start + i * step", "An arithmetic progression.",
                       {real("start"), real("step"), integer("count"), dtype()});
    r.infer = infer_arange;
    return r;
  }();
};

struct Linspace {
  static constexpr Record record = [] {
    Record r = created("linspace_of", "start + i * (end - start) / (count - 1)",
                       "Evenly spaced numbers, ends included.",
                       {real("start"), real("end"), integer("count"), dtype()});
    r.infer = infer_arange;
    return r;
  }();
};

struct Uniform {
  static constexpr Record record = created("uniform_of", "U[low, high)", "Independent uniform numbers.",
                                           {dims("size"), real("low"), real("high"), dtype(), generator()});
};
struct Normal {
  static constexpr Record record =
      created("normal_of", "N(mean, std^2)", "Independent normal numbers, drawn in pairs or in blocks.",
              {dims("size"), real("mean"), real("std"), dtype(), flag("pairwise", false), generator()});
};
struct RandomIntegers {
  static constexpr Record record =
      created("randint_of", "U{low, .., high - 1}", "Independent uniform integers.",
              {dims("size"), integer("low"), integer("high"), dtype(), generator()});
};
// Integers over the whole range that the dtype holds exactly.
struct RandomBits {
  static constexpr Record record =
      created("random_of", "U{0, .., 2^bits - 1}", "Uniform integers over the dtype's range.",
              {dims("size"), dtype(), generator()});
};
struct Bernoulli {
  static constexpr Record record =
      created("bernoulli_of", "1 with probability p, else 0", "Independent coin throws.",
              {dims("size"), real("p"), dtype(), generator()});
};
struct Exponential {
  static constexpr Record record =
      created("exponential_of", "-ln(1 - U) / lambd", "Independent exponential numbers.",
              {dims("size"), real("lambd"), dtype(), generator()});
};
struct RandomPermutation {
  static constexpr Record record = [] {
    Record r = created("randperm_of", "a permutation of 0 .. n - 1", "A random permutation.",
                       {integer("count"), dtype(), generator()});
    r.infer = infer_arange;
    return r;
  }();
};

struct BernoulliOf {
  static constexpr Record record{.name = "bernoulli_each",
                                 .where = kHidden,
                                 .formula = "1 with probability input, else 0",
                                 .doc = "Coin throws with a probability per element.",
                                 .args = {tensor(), generator()},
                                 .row_major = true,
                                 .infer = infer_like,
                                 .vjp = {{kNothing, [](Vjp& v) { return zeros_like(v.g()); }}}};
};

Tensor bernoulli(const Call& c);

struct BernoulliOp {
  static constexpr Record record{
      .name = "bernoulli",
      .kind = Kind::kComposite,
      .formula = "1 with probability input, else 0",
      .doc = "Coin throws with the probability given by each element, or by p for all.",
      .args = {tensor(), optional_real("p"), keyword(generator())},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = bernoulli(c); }};
};

using CreationOps = OpList<Full, Arange, Linspace, Uniform, Normal, RandomIntegers, RandomBits, Bernoulli,
                           Exponential, RandomPermutation, BernoulliOf, BernoulliOp>;

}  // namespace unspool::ops
