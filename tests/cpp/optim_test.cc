// The optimizer floor without kernels: attributes against the formulas, how a step is gathered into
// operations, and what it refuses. An Emitter of this file runs the rules in scalar double precision and
// counts the calls.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ops/shape.h"
#include "ops/update.h"
#include "optim/update.h"

namespace unspool::optim {
namespace {

struct Real {
  double v = 0;
  Real() = default;
  Real(double value) : v(value) {}
  friend Real operator+(Real a, Real b) { return a.v + b.v; }
  friend Real operator-(Real a, Real b) { return a.v - b.v; }
  friend Real operator*(Real a, Real b) { return a.v * b.v; }
  friend Real operator/(Real a, Real b) { return a.v / b.v; }
  friend bool operator==(Real a, Real b) { return a.v == b.v; }
  friend bool operator<(Real a, Real b) { return a.v < b.v; }
  friend Real select(bool c, Real a, Real b) { return c ? a : b; }
  friend Real sqrt(Real a) { return std::sqrt(a.v); }
  friend bool operator>(Real a, Real b) { return a.v > b.v; }
  friend Real max(Real a, Real b) { return a.v > b.v ? a : b; }
  friend Real min(Real a, Real b) { return a.v < b.v ? a : b; }
  friend Real abs(Real a) { return std::abs(a.v); }
};

double load(const Tensor& tensor, std::int64_t place) {
  return tensor.dtype() == Dtype::kFloat32
             ? static_cast<double>(static_cast<const float*>(tensor.data())[place])
             : static_cast<const double*>(tensor.data())[place];
}

void store(const Tensor& tensor, std::int64_t place, double value) {
  if (tensor.dtype() == Dtype::kFloat32)
    static_cast<float*>(tensor.data())[place] = static_cast<float>(value);
  else
    static_cast<double*>(tensor.data())[place] = value;
}

// Where element i of the row-major order lies.
std::int64_t place_of(const Tensor& tensor, std::int64_t i) {
  std::int64_t place = 0;
  for (int d = tensor.ndim() - 1; d >= 0; --d) {
    place += i % tensor.size(d) * tensor.strides()[static_cast<std::size_t>(d)];
    i /= tensor.size(d);
  }
  return place;
}

void copy(const Tensor& to, const Tensor& from) {
  for (std::int64_t i = 0; i < to.numel(); ++i) store(to, place_of(to, i), load(from, place_of(from, i)));
}

template <class Op>
bool run_as(const ops::Call& call) {
  if (&call.op != &ops::op_of<Op>) return false;
  constexpr std::size_t kArity = Op::arity, kHyper = static_cast<std::size_t>(Op::record.args.size() - 1);
  REQUIRE(call.attrs.size() == kHyper);
  REQUIRE(call.in.size() % kArity == 0);
  for (std::size_t group = 0; group < call.in.size(); group += kArity) {
    for (std::int64_t i = 0; i < call.tensor(static_cast<int>(group)).numel(); ++i) {
      Real value[kArity];
      for (std::size_t k = 0; k < kArity; ++k) value[k] = load(call.in[group + k].tensor(), i);
      [&]<std::size_t... S, std::size_t... H>(std::index_sequence<S...>, std::index_sequence<H...>) {
        Op::body(value[0], value[1], value[S + 2]..., Real(call.attrs[H].number())...);
      }(std::make_index_sequence<kArity - 2>{}, std::make_index_sequence<kHyper>{});
      for (std::size_t k = 0; k < kArity; ++k) {
        if (k != 1) store(call.in[group + k].tensor(), i, value[k].v);
      }
    }
  }
  return true;
}

template <class... Ops>
bool run_any(ops::OpList<Ops...>, const ops::Call& call) {
  return (run_as<Ops>(call) || ...);
}

class Scalar final : public ops::Emitter {
 public:
  Scalar() : before_(std::exchange(ops::thread_state().emitter, this)) {}
  ~Scalar() override { ops::thread_state().emitter = before_; }

  void emit(const ops::Call& call, std::span<Tensor> out) override {
    CHECK_FALSE(ops::thread_state().grad_enabled);
    if (&call.op == &ops::op_of<ops::Clone>) {
      out[0] = Tensor::empty(call.tensor(0).sizes(), call.tensor(0).dtype());
      return copy(out[0], call.tensor(0));
    }
    for (const ops::Operand& operand : call.in) REQUIRE(operand.tensor().is_contiguous());
    REQUIRE(run_any(ops::UpdateOps{}, call));
    operands_per_update.push_back(call.in.size());
  }
  void emit_into(const ops::Call& call, const Tensor& target) override { copy(target, call.tensor(1)); }

  std::vector<std::size_t> operands_per_update;

 private:
  ops::Emitter* before_;
};

Tensor filled(Dims sizes, std::vector<double> values, Dtype dtype = Dtype::kFloat64) {
  Tensor tensor = Tensor::empty(std::move(sizes), dtype);
  for (std::size_t i = 0; i < values.size(); ++i) store(tensor, static_cast<std::int64_t>(i), values[i]);
  return tensor;
}

Tensor constant(const Dims& sizes, double value, Dtype dtype = Dtype::kFloat64) {
  return filled(sizes, std::vector<double>(static_cast<std::size_t>(numel(sizes)), value), dtype);
}

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values.push_back(load(tensor, place_of(tensor, i)));
  return values;
}

// A parameter with what belongs to it.
struct Slot {
  Tensor parameter, gradient;
  Kept states;

  Slot(const Rule& rule, Tensor p, Tensor g) : parameter(std::move(p)), gradient(std::move(g)) {
    for (const State& state : rule.states()) {
      states.push_back(constant(parameter.sizes(), state.initial, parameter.dtype()));
    }
  }
};

// The phase of a parameter that was updated with the same hyperparameters before.
Phase phase_of(const Rule& rule, double step) {
  double numbers[2] = {};
  for (int i = 0; i < rule.numbers().size(); ++i) numbers[i] = rule.numbers()[i].initial;
  for (double t = 1; t < step; ++t) rule.phase(t, numbers);
  return rule.phase(step, numbers);
}

void update_one(const Rule& rule, const Slot& slot, double step) {
  Update update(rule);
  update.add(slot.parameter, slot.gradient, slot.states, phase_of(rule, step));
  update.run();
}

double after_one_step(const Rule& rule, double p, double g, double step = 1) {
  const Slot slot(rule, filled({}, {p}), filled({}, {g}));
  update_one(rule, slot, step);
  return load(slot.parameter, 0);
}

std::string message_of(const Rule& rule, const Slot& slot) {
  Update update(rule);
  try {
    update.add(slot.parameter, slot.gradient, slot.states, {1});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("first steps are those of the formulas") {
  Scalar emitter;
  Sgd sgd;
  sgd.lr = 0.1;
  sgd.weight_decay = 0.5;
  CHECK(after_one_step(sgd, 2.0, 3.0) == Approx(2.0 - 0.1 * (3.0 + 0.5 * 2.0)));
  sgd.maximize = true;
  CHECK(after_one_step(sgd, 2.0, 3.0) == Approx(2.0 - 0.1 * (-3.0 + 0.5 * 2.0)));

  // In its first step Adam moves by lr against the sign of the gradient, whatever its size.
  Adam adam;
  adam.lr = 0.25;
  adam.eps = 0;
  CHECK(after_one_step(adam, 1.0, 1e-3) == Approx(0.75));
  CHECK(after_one_step(adam, 1.0, -1e3) == Approx(1.25));
  adam.decoupled = true;
  adam.weight_decay = 0.1;
  CHECK(after_one_step(adam, 1.0, 5.0) == Approx(1.0 - 0.25 * 0.1 - 0.25));

  Rmsprop rmsprop;
  rmsprop.lr = 0.1;
  rmsprop.alpha = 0.75;
  rmsprop.eps = 0;
  CHECK(after_one_step(rmsprop, 1.0, 3.0) == Approx(1.0 - 0.1 / std::sqrt(0.25)));
  rmsprop.centered = true;
  CHECK(after_one_step(rmsprop, 1.0, 3.0) == Approx(1.0 - 0.1 / std::sqrt(0.25 - 0.0625)));

  Adagrad adagrad;
  adagrad.lr = 0.3;
  adagrad.initial_accumulator_value = 7;
  adagrad.lr_decay = 0.5;
  CHECK(after_one_step(adagrad, 1.0, 3.0) == Approx(1.0 - 0.3 * 3.0 / 4.0));
  CHECK(after_one_step(adagrad, 1.0, 3.0, 3) == Approx(1.0 - 0.3 / 2.0 * 3.0 / 4.0));

  Adadelta adadelta;
  adadelta.lr = 0.5;
  adadelta.eps = 1;
  adadelta.rho = 0.5;
  CHECK(after_one_step(adadelta, 1.0, 2.0) == Approx(1.0 - 0.5 * 2.0 / std::sqrt(3.0)));
}

TEST_CASE("dampening leaves the first gradient whole") {
  Scalar emitter;
  Sgd sgd;
  sgd.lr = 1;
  sgd.momentum = 0.5;
  sgd.dampening = 0.75;
  const Slot slot(sgd, filled({}, {0}), filled({}, {4}));
  update_one(sgd, slot, 1);
  CHECK(load(slot.states[0], 0) == 4.0);
  update_one(sgd, slot, 2);
  CHECK(load(slot.states[0], 0) == 0.5 * 4.0 + 0.25 * 4.0);
}

TEST_CASE("a first moment without memory is the gradient, however large the moment was") {
  Scalar emitter;
  Adam adam;
  adam.beta1 = 0;
  const Slot slot(adam, filled({}, {1}), filled({}, {3}));
  store(slot.states[0], 0, 1e30);
  update_one(adam, slot, 5);
  CHECK(load(slot.states[0], 0) == 3.0);
}

TEST_CASE("an infinite parameter without weight decay stays infinite") {
  Scalar emitter;
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(after_one_step(Sgd(), -infinity, 0.0) == -infinity);
  CHECK(after_one_step(Adam(), -infinity, 0.0) == -infinity);
  CHECK(after_one_step(Rmsprop(), -infinity, 0.0) == -infinity);
}

TEST_CASE("parameters of one dtype and phase are one operation, and order of states is kept") {
  Scalar emitter;
  Adam adam;
  std::vector<Slot> many;
  for (std::int64_t i = 0; i < 20; ++i) {
    const Dtype dtype = i % 4 == 3 ? Dtype::kFloat32 : Dtype::kFloat64;
    many.emplace_back(adam, constant({i % 5, 3}, 1.0, dtype),
                      constant({i % 5, 3}, 0.1 * static_cast<double>(i), dtype));
  }
  Update update(adam, many.size());
  for (const Slot& slot : many) update.add(slot.parameter, slot.gradient, slot.states, {1});
  CHECK(values_of(many[1].parameter) == std::vector<double>(3, 1.0));
  update.run();
  CHECK(emitter.operands_per_update == std::vector<std::size_t>{15 * 4, 5 * 4});
}

TEST_CASE("parameters at different steps have their own bias corrections") {
  Scalar emitter;
  Adam adam;
  adam.lr = 1;
  adam.eps = 0;
  const Slot first(adam, filled({}, {0}), filled({}, {1})), second(adam, filled({}, {0}), filled({}, {1}));
  Update update(adam, 2);
  update.add(first.parameter, first.gradient, first.states, {1});
  update.add(second.parameter, second.gradient, second.states, {2});
  update.run();
  CHECK(emitter.operands_per_update.size() == 2);
  CHECK(load(first.parameter, 0) == Approx(-1.0));
  const double mean = 0.1 / (1 - 0.81), square = 0.001 / (1 - 0.998001);
  CHECK(load(second.parameter, 0) == Approx(-mean / std::sqrt(square)));
}

TEST_CASE("one by one and all at once give the same bits") {
  Scalar emitter;
  Rmsprop rule;
  rule.centered = true;
  rule.momentum = 0.9;
  rule.weight_decay = 0.01;
  std::vector<Slot> one, all;
  for (std::int64_t i = 1; i < 9; ++i) {
    for (std::vector<Slot>* slots : {&one, &all}) {
      slots->emplace_back(rule, constant({i}, 1.0 / static_cast<double>(i)),
                          constant({i}, std::sin(static_cast<double>(i))));
    }
  }
  for (int step = 1; step < 5; ++step) {
    Update update(rule, all.size());
    for (const Slot& slot : all) update.add(slot.parameter, slot.gradient, slot.states, phase_of(rule, step));
    update.run();
    for (std::size_t i = one.size(); i-- > 0;) update_one(rule, one[i], step);
  }
  for (std::size_t i = 0; i < one.size(); ++i)
    CHECK(values_of(one[i].parameter) == values_of(all[i].parameter));
}

TEST_CASE("strided parameters, gradients and states are updated like dense ones") {
  Scalar emitter;
  Adam adam;
  const std::vector<double> p{1, 2, 3, 4, 5, 6}, g{6, -5, 4, -3, 2, -1};
  const auto transposed = [](const Tensor& tensor) {
    Tensor storage = Tensor::empty({tensor.size(1), tensor.size(0)}, tensor.dtype());
    Tensor view = storage.alias({tensor.size(0), tensor.size(1)}, {1, tensor.size(0)}, 0);
    copy(view, tensor);
    return view;
  };
  const Slot dense(adam, filled({2, 3}, p), filled({2, 3}, g));
  Slot strided(adam, transposed(filled({2, 3}, p)), transposed(filled({2, 3}, g)));
  strided.states[1] = transposed(strided.states[1]);
  REQUIRE_FALSE(strided.parameter.is_contiguous());
  for (int step = 1; step < 4; ++step) {
    update_one(adam, dense, step);
    update_one(adam, strided, step);
  }
  CHECK(values_of(strided.parameter) == values_of(dense.parameter));
  CHECK(values_of(strided.states[1]) == values_of(dense.states[1]));
  CHECK(values_of(strided.gradient) == g);
}

TEST_CASE("a parameter that is added twice takes two steps, one after the other") {
  Scalar emitter;
  Sgd sgd;
  sgd.lr = 0.5;
  sgd.weight_decay = 1;
  const Slot slot(sgd, filled({}, {8}), filled({}, {0})), other(sgd, filled({}, {8}), filled({}, {0}));
  Update update(sgd, 3);
  for (const Slot* each : {&slot, &other, &slot})
    update.add(each->parameter, each->gradient, each->states, {1});
  update.run();
  CHECK(load(slot.parameter, 0) == 2.0);
  CHECK(load(other.parameter, 0) == 4.0);
  CHECK(emitter.operands_per_update == std::vector<std::size_t>{2, 2, 2});
}

TEST_CASE("what does not fit the parameter is refused before anything changes") {
  Scalar emitter;
  Sgd sgd;
  sgd.momentum = 0.9;
  const Tensor p = constant({2, 3}, 1);
  CHECK(message_of(sgd, Slot(sgd, p, constant({3}, 1))) ==
        "SGD.step: the gradient has shape (3,) but its parameter has (2, 3)");
  CHECK(message_of(sgd, Slot(sgd, p, constant({2, 3}, 1, Dtype::kFloat32))) ==
        "SGD.step: the gradient has dtype float32 but its parameter has float64; convert it with to()");
  Slot slot(sgd, p, p);
  slot.states[0] = constant({6}, 0);
  CHECK(message_of(sgd, slot) ==
        "SGD.step: state 'momentum_buffer' has shape (6,) but its parameter has (2, 3)");
  const Tensor integers = Tensor::empty({2}, Dtype::kInt64);
  CHECK(message_of(Sgd(), Slot(Sgd(), integers, integers)).find("int64") != std::string::npos);

  static double memory[1] = {1};
  const Ref<Storage> storage = Storage::borrow(memory, sizeof memory, false, nullptr, [](void*) {});
  const Tensor fixed(Ref<TensorImpl>(new TensorImpl(Dtype::kFloat64, Dims{1}, Dims{1}, storage, 0)));
  CHECK(message_of(Sgd(), Slot(Sgd(), fixed, constant({1}, 1))).find("read-only") != std::string::npos);
  CHECK(emitter.operands_per_update.empty());
}

TEST_CASE("every rule keeps as many states as its operation takes, and gives all attributes") {
  std::vector<const Rule*> rules;
  Sgd momentum;
  momentum.momentum = 0.9;
  Adam amsgrad, decoupled, both;
  amsgrad.amsgrad = both.amsgrad = decoupled.decoupled = both.decoupled = true;
  Rmsprop centered, fast, all;
  centered.centered = all.centered = true;
  fast.momentum = all.momentum = 0.5;
  const Sgd sgd;
  const Adam adam;
  const Rmsprop rmsprop;
  const Adagrad adagrad;
  const Adadelta adadelta;
  const Radam radam;
  const Nadam nadam;
  const Adamax adamax;
  const Asgd asgd;
  const Rprop rprop;
  rules = {&sgd, &momentum, &adam,     &amsgrad, &decoupled, &both,   &rmsprop, &centered, &fast,
           &all, &adagrad,  &adadelta, &radam,   &nadam,     &adamax, &asgd,    &rprop};
  Scalar emitter;
  for (const Rule* rule : rules) {
    CAPTURE(rule->op().record.name);
    CHECK(rule->attributes(phase_of(*rule, 1)).ssize() == rule->op().record.args.size() - 1);
    update_one(*rule, Slot(*rule, filled({1}, {1}), filled({1}, {1})), 1);
    CHECK(emitter.operands_per_update.back() == 2 + static_cast<std::size_t>(rule->states().size()));
  }
}

}  // namespace
}  // namespace unspool::optim
