// Generator and the random factories and fills. Everything draws from one stream, PyTorch's own.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>

#include "bind/caster.h"
#include "bind/create.h"
#include "bind/factory.h"
#include "bind/topics.h"
#include "exec/eager.h"
#include "exec/program/trace.h"
#include "ops/api.h"
#include "ops/creation.h"
#include "ops/drawing.h"
#include "ops/fitting.h"
#include "tensor/half.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

// pybind11 keeps the generator by this handle.
struct GeneratorHandle {
  Ref<Generator> ref;
};

ops::Attr generator_attr(const py::kwargs& kwargs) {
  if (!kwargs.contains("generator")) return {};
  return ops::Attr(generator_of_object(kwargs["generator"].ptr()));
}

TensorOptions options_without_generator(py::kwargs kwargs, const char* who, bool takes_out = false) {
  py::kwargs rest;
  for (const auto& [key, value] : kwargs) {
    if (key.cast<std::string>() != "generator") rest[key] = value;
  }
  return read_options(rest, who, takes_out);
}

std::uint64_t seed_from(py::handle seed) {
  const Owned number(PyIndex_Check(seed.ptr()) ? PyNumber_Index(seed.ptr()) : nullptr);
  if (!number) {
    PyErr_Clear();
    fail(ErrorKind::kType, "manual_seed: the seed must be an int, not ", Py_TYPE(seed.ptr())->tp_name);
  }
  const unsigned long long positive = PyLong_AsUnsignedLongLong(number.get());
  if (!PyErr_Occurred()) return positive;
  PyErr_Clear();
  const long long negative = PyLong_AsLongLong(number.get());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    fail(ErrorKind::kRuntime, "manual_seed: the seed must lie in [-2^63, 2^64 - 1]");
  }
  return static_cast<std::uint64_t>(negative);
}

Tensor state_tensor(const Generator& generator) {
  Tensor state = Tensor::empty({static_cast<std::int64_t>(Generator::kStateBytes)}, Dtype::kUInt8);
  generator.get_state(std::span<std::byte, Generator::kStateBytes>(static_cast<std::byte*>(state.data()),
                                                                   Generator::kStateBytes));
  return state;
}

// A replay draws on from where the generator is: nothing in it sets that.
void refuse_in_steps(std::string_view who) {
  if (exec::Trace* trace = exec::Trace::current()) {
    trace->refuse(std::string(who) +
                  ": a replayed step draws on where the generator is, and cannot set it; call this before "
                  "the step, or compile with fallback=\"eager\"");
  }
}

void restore_state(Generator& generator, const Tensor& state) {
  if (state.dtype() != Dtype::kUInt8)
    fail(ErrorKind::kType, "set_state: expected a uint8 tensor, got ", name(state.dtype()));
  const Tensor plain = ops::contiguous(state);
  generator.set_state({static_cast<const std::byte*>(plain.data()), static_cast<std::size_t>(plain.numel())});
}

py::object default_generator_object() {
  static const auto& object = *new py::object(py::cast(GeneratorHandle{exec::default_generator()}));
  return object;
}

template <class Op>
Tensor drawn(const Dims& sizes, double a, double b, Dtype dtype, const ops::Attr& generator) {
  if constexpr (std::is_same_v<Op, ops::Normal>)
    return ops::call<Op>({}, {sizes, a, b, dtype, false, generator});
  else
    return ops::call<Op>({}, {sizes, a, b, dtype, generator});
}

// rand and randn: (sizes, low or mean, high or std).
template <class Op>
py::cpp_function sized_random(py::module_& core, const char* who, const char* doc, double a, double b) {
  return py::cpp_function(
      [who, a, b](const py::args& args, py::kwargs kwargs) {
        const Dims sizes = read_sizes(args, kwargs, who);
        const ops::Attr generator = generator_attr(kwargs);
        const TensorOptions options = options_without_generator(kwargs, who, true);
        const Dtype dtype = options.dtype.value_or(default_dtype());
        if (!is_floating(dtype)) fail(who, ": needs a floating dtype, got ", name(dtype));
        checked_numel(sizes, who);
        return finish(drawn<Op>(sizes, a, b, dtype, generator), options);
      },
      py::name(who), py::scope(core), py::doc(doc));
}

template <class Op>
py::cpp_function like_random(py::module_& core, const char* who, const char* doc, double a, double b) {
  return py::cpp_function(
      [who, a, b](const Tensor& input, py::kwargs kwargs) {
        const ops::Attr generator = generator_attr(kwargs);
        const TensorOptions options = options_without_generator(kwargs, who);
        const Dtype dtype = options.dtype.value_or(input.dtype());
        if (!is_floating(dtype)) fail(who, ": needs a floating dtype, got ", name(dtype));
        return like(input, finish(drawn<Op>(input.sizes(), a, b, dtype, generator), options));
      },
      py::name(who), py::scope(core), py::arg("input"), py::doc(doc));
}

void check_range(const char* who, std::int64_t low, std::int64_t high, Dtype dtype) {
  if (low >= high) fail(who, ": low ", low, " must be less than high ", high);
  if (is_floating(dtype)) return;
  const auto [least, largest] = ops::range_of(dtype);
  if (low < least || high - 1 > largest) {
    fail(who, ": ", name(dtype), " holds ", least, " to ", largest, ", not ", low < least ? low : high - 1);
  }
}

Tensor randint(const py::args& args, py::kwargs kwargs) {
  const auto pop = [&](const char* key) -> py::object {
    return kwargs.contains(key) ? py::object(kwargs.attr("pop")(key)) : py::object();
  };
  py::object low = pop("low"), high = pop("high"), size = pop("size");
  std::vector<py::object> positional;
  for (py::handle value : args) positional.push_back(py::reinterpret_borrow<py::object>(value));
  if (!size && !positional.empty()) {
    size = positional.back();
    positional.pop_back();
  }
  if (positional.size() == 1)
    high = positional[0];
  else if (positional.size() == 2) {
    low = positional[0];
    high = positional[1];
  }
  if (!high || !size || positional.size() > 2 || PyLong_Check(size.ptr())) {
    fail(ErrorKind::kType, "randint(): takes randint(high, size) or randint(low, high, size)");
  }
  const ops::Attr generator = generator_attr(kwargs);
  const TensorOptions options = options_without_generator(kwargs, "randint", true);
  const auto first = low ? as_integer(low.ptr()) : std::optional<std::int64_t>(0);
  const auto last = as_integer(high.ptr());
  if (!first || !last) fail(ErrorKind::kType, "randint(): low and high must be ints");
  const Dtype dtype = options.dtype.value_or(Dtype::kInt64);
  check_range("randint", *first, *last, dtype);
  return finish(ops::call<ops::RandomIntegers>({}, {need_dims(size.ptr(), "randint", "size"), *first, *last,
                                                    options.dtype.value_or(Dtype::kInt64), generator}),
                options);
}

Tensor randperm(std::int64_t n, py::kwargs kwargs) {
  const ops::Attr generator = generator_attr(kwargs);
  const TensorOptions options = options_without_generator(kwargs, "randperm", true);
  if (n < 0) fail("randperm: n must not be negative, got ", n);
  return finish(ops::call<ops::RandomPermutation>({}, {n, options.dtype.value_or(Dtype::kInt64), generator}),
                options);
}

// A view whose elements follow one another as they do in memory: that is how PyTorch fills.
Tensor in_order_of_memory(const Tensor& x) {
  if (x.is_contiguous()) return x;
  Dims order;
  for (int d = 0; d < x.ndim(); ++d) order.push_back(d);
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](std::int64_t d) { return x.strides()[static_cast<std::size_t>(d)]; });
  return ops::permute(x, order);
}

// One of the elements that an expanded dimension repeats, for all of them: a constant may be written there.
Tensor without_repeats(Tensor x) {
  for (int d = 0; d < x.ndim(); ++d) {
    const auto at = static_cast<std::size_t>(d);
    if (x.strides()[at] == 0 && x.sizes()[at] > 1) x = ops::slice(x, d, 0, 1);
  }
  return x;
}

// Writes the result of a random operation of these attributes, and the sizes, into an existing tensor.
template <class Op>
void fill_with(const Tensor& tensor, std::initializer_list<ops::Attr> rest) {
  const Tensor target = in_order_of_memory(tensor);
  SmallVector<ops::Attr, 6> attrs;
  attrs.push_back(target.sizes());
  attrs.append(rest.begin(), rest.end());
  ops::emitter().emit_into({ops::op_of<Op>, {}, {attrs.data(), attrs.size()}}, target);
}

void need_floating(const Tensor& tensor, const char* who) {
  if (!is_floating(tensor.dtype())) fail(who, ": needs a floating tensor, got ", name(tensor.dtype()));
}

// A bound as an element of a 16-bit dtype, unless it lies beyond those.
double as_kept(double bound, Dtype dtype) {
  if (!is_narrow(dtype)) return bound;
  const auto number = static_cast<float>(bound);
  const double kept = dtype == Dtype::kFloat16 ? to_float(to_half(number)) : to_float(to_bfloat16(number));
  return std::isfinite(kept) ? kept : bound;
}

void bind_fills() {
  const py::handle type(reinterpret_cast<PyObject*>(tensor_type));
  const auto method = [&](const char* name, auto&& function, auto&&... extra) {
    py::setattr(type, name, py::cpp_function(function, py::name(name), py::is_method(type), extra...));
  };
  const auto generator = py::arg("generator") = py::none();
  method(
      "uniform_",
      [](const Tensor& self, double low, double high, py::handle g) {
        need_floating(self, "uniform_");
        if (!(low <= high)) fail("uniform_: from ", low, " must not exceed to ", high);
        fill_with<ops::Uniform>(self, {low, high, self.dtype(), generator_of_object(g.ptr())});
        // What rounding carries to the end of the interval, rounded like it, begins it again.
        if (is_narrow(self.dtype())) {
          py::cast(self).attr("masked_fill_")(ops::eq(self, as_kept(high, self.dtype())), low);
        }
        return self;
      },
      py::arg("from") = 0.0, py::arg("to") = 1.0, py::kw_only(), generator, "Fills with U[from, to).");
  method(
      "normal_",
      [](const Tensor& self, double mean, double std, py::handle g) {
        need_floating(self, "normal_");
        if (!(std >= 0)) fail("normal_: std must not be negative, got ", std);
        fill_with<ops::Normal>(
            self, {mean, std, self.dtype(), !self.is_contiguous(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("mean") = 0.0, py::arg("std") = 1.0, py::kw_only(), generator, "Fills with N(mean, std^2).");
  method(
      "bernoulli_",
      [](const Tensor& self, py::handle p, py::handle g) {
        if (is_tensor(p.ptr())) {
          const Tensor draws = ops::call<ops::BernoulliOf>({ops::expand(tensor_of(p.ptr()), self.sizes())},
                                                           {generator_of_object(g.ptr())});
          py::cast(self).attr("copy_")(draws);
          return self;
        }
        const auto probability = as_real(p.ptr());
        if (!probability || !(*probability >= 0 && *probability <= 1)) {
          fail("bernoulli_: p must be a probability between 0 and 1");
        }
        fill_with<ops::Bernoulli>(self, {*probability, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("p") = 0.5, py::kw_only(), generator, "Fills with 1 with probability p, else 0.");
  method(
      "exponential_",
      [](const Tensor& self, double lambd, py::handle g) {
        need_floating(self, "exponential_");
        if (!(lambd > 0)) fail("exponential_: lambd must be positive, got ", lambd);
        fill_with<ops::Exponential>(self, {lambd, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("lambd") = 1.0, py::kw_only(), generator, "Fills with exponential numbers of rate lambd.");
  method(
      "cauchy_",
      [](const Tensor& self, double median, double sigma, py::handle g) {
        need_floating(self, "cauchy_");
        if (!(sigma > 0)) fail("cauchy_: sigma must be positive, got ", sigma);
        fill_with<ops::Cauchy>(self, {median, sigma, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("median") = 0.0, py::arg("sigma") = 1.0, py::kw_only(), generator,
      "Fills with Cauchy numbers.");
  method(
      "log_normal_",
      [](const Tensor& self, double mean, double std, py::handle g) {
        need_floating(self, "log_normal_");
        if (!(std > 0)) fail("log_normal_: std must be positive, got ", std);
        fill_with<ops::LogNormal>(self, {mean, std, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("mean") = 1.0, py::arg("std") = 2.0, py::kw_only(), generator,
      "Fills with exponentials of normal numbers.");
  method(
      "geometric_",
      [](const Tensor& self, double p, py::handle g) {
        if (!(p > 0 && p < 1)) fail("geometric_: p must lie between 0 and 1, got ", p);
        if (self.dtype() == Dtype::kBool) fail("geometric_: bool cannot hold counts");
        fill_with<ops::Geometric>(self, {p, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("p"), py::kw_only(), generator, "Fills with the number of throws up to the first success.");
  method(
      "random_",
      [](const Tensor& self, const std::optional<std::int64_t>& first,
         const std::optional<std::int64_t>& last, py::handle g) {
        if (!first && !last) {
          fill_with<ops::RandomBits>(self, {self.dtype(), generator_of_object(g.ptr())});
          return self;
        }
        const std::int64_t low = last ? *first : 0, high = last ? *last : *first;
        check_range("random_", low, high, self.dtype());
        fill_with<ops::RandomIntegers>(self, {low, high, self.dtype(), generator_of_object(g.ptr())});
        return self;
      },
      py::arg("from") = py::none(), py::arg("to") = py::none(), py::kw_only(), generator,
      "Fills with uniform integers from [from, to), or over the dtype's range.");
  method(
      "fill_",
      [](const Tensor& self, py::handle value) {
        if (is_tensor(value.ptr())) {
          if (tensor_of(value.ptr()).ndim() != 0) {
            fail("fill_: value must be a number or a 0-d tensor, got shape ",
                 to_string(tensor_of(value.ptr()).sizes()));
          }
          py::cast(without_repeats(self)).attr("copy_")(value);
          return self;
        }
        const auto number = number_operand(value.ptr());
        if (!number)
          fail(ErrorKind::kType, "fill_: value must be a number, not ", Py_TYPE(value.ptr())->tp_name);
        const ops::Attr attr = number->kind() == ops::Operand::Kind::kFloat ? ops::Attr(number->number())
                                                                            : ops::Attr(number->integer());
        fill_with<ops::Full>(without_repeats(self), {attr, self.dtype()});
        return self;
      },
      py::arg("value"), "Sets every element to the value.");
  method(
      "zero_",
      [](const Tensor& self) {
        fill_with<ops::Full>(without_repeats(self), {0, self.dtype()});
        self->storage->set_writer("zero_");
        return self;
      },
      "Sets every element to 0.");
}

}  // namespace

bool is_generator(PyObject* object) { return py::isinstance<GeneratorHandle>(object); }

Ref<Generator> generator_of_object(PyObject* object) {
  if (object == Py_None) return {};
  if (!is_generator(object))
    fail(ErrorKind::kType, "generator: expected a Generator or None, not ", Py_TYPE(object)->tp_name);
  return py::handle(object).cast<const GeneratorHandle&>().ref;
}

void bind_random(py::module_& core) {
  py::class_<GeneratorHandle>(core, "Generator",
                              "A stream of pseudo-random numbers: MT19937, as PyTorch's on the CPU.")
      .def(py::init([](py::handle) { return GeneratorHandle{Ref<Generator>(new Generator)}; }),
           py::arg("device") = "cpu")
      .def(
          "manual_seed",
          [](py::object self, py::handle seed) {
            self.cast<GeneratorHandle&>().ref->manual_seed(seed_from(seed));
            return self;
          },
          py::arg("seed"), "Restarts the stream at the seed and returns the generator.")
      .def(
          "seed", [](GeneratorHandle& self) { return self.ref->seed(); },
          "Seeds from the system's entropy; returns the seed.")
      .def(
          "initial_seed", [](GeneratorHandle& self) { return self.ref->initial_seed(); }, "The last seed.")
      .def(
          "get_state", [](GeneratorHandle& self) { return state_tensor(*self.ref); },
          "The state as uint8 (5056,).")
      .def(
          "set_state", [](GeneratorHandle& self, const Tensor& state) { restore_state(*self.ref, state); },
          py::arg("new_state"), "Continues where get_state() was taken.")
      .def("clone_state",
           [](GeneratorHandle& self) {
             Ref<Generator> copy(new Generator);
             copy->state() = self.ref->state();
             return GeneratorHandle{copy};
           })
      .def(py::pickle([](const GeneratorHandle& self) { return state_tensor(*self.ref); },
                      [](const Tensor& state) {
                        Ref<Generator> copy(new Generator);
                        restore_state(*copy, state);
                        return GeneratorHandle{copy};
                      }))
      .def(
          "_has_state_of",
          [](const GeneratorHandle& self, const GeneratorHandle& other) {
            std::array<std::byte, Generator::kStateBytes> states[2];
            self.ref->get_state(states[0]);
            other.ref->get_state(states[1]);
            return states[0] == states[1];
          },
          py::arg("other"), "Whether both will draw the same numbers.")
      .def_property_readonly("device", [](GeneratorHandle&) { return Device{}; });
  core.attr("default_generator") = default_generator_object();
  core.def(
      "manual_seed",
      [](py::handle seed) {
        refuse_in_steps("manual_seed");
        exec::default_generator()->manual_seed(seed_from(seed));
        return default_generator_object();
      },
      py::arg("seed"), "Restarts the default generator at the seed.");
  core.def(
      "seed", [] { return exec::default_generator()->seed(); }, "Seeds the default generator from entropy.");
  core.def(
      "initial_seed", [] { return exec::default_generator()->initial_seed(); },
      "The default generator's seed.");
  core.def(
      "get_rng_state", [] { return state_tensor(*exec::default_generator()); },
      "The default generator's state.");
  core.def(
      "set_rng_state",
      [](const Tensor& state) {
        refuse_in_steps("set_rng_state");
        restore_state(*exec::default_generator(), state);
      },
      py::arg("new_state"), "Restores the default generator's state.");
  core.attr("rand") =
      sized_random<ops::Uniform>(core, "rand", "rand(*size, generator=None, dtype=None): U[0, 1).", 0, 1);
  core.attr("randn") =
      sized_random<ops::Normal>(core, "randn", "randn(*size, generator=None, dtype=None): N(0, 1).", 0, 1);
  core.attr("rand_like") = like_random<ops::Uniform>(core, "rand_like", "U[0, 1) in input's shape.", 0, 1);
  core.attr("randn_like") = like_random<ops::Normal>(core, "randn_like", "N(0, 1) in input's shape.", 0, 1);
  core.def("randint", &randint,
           "randint(low=0, high, size, *, generator=None, dtype=int64): uniform integers.");
  core.def("randperm", &randperm, py::arg("n"),
           "randperm(n, *, generator=None, dtype=int64): a random permutation.");
  core.def(
      "randint_like",
      [](const Tensor& input, const std::optional<std::int64_t>& low, const std::optional<std::int64_t>& high,
         py::kwargs kwargs) {
        const ops::Attr generator = generator_attr(kwargs);
        const TensorOptions options = options_without_generator(kwargs, "randint_like");
        if (!low && !high) fail(ErrorKind::kType, "randint_like(): argument 'high' is missing");
        const std::int64_t first = high ? low.value_or(0) : 0, last = high ? *high : *low;
        const Dtype dtype = options.dtype.value_or(input.dtype());
        check_range("randint_like", first, last, dtype);
        const Tensor drawn =
            ops::call<ops::RandomIntegers>({}, {input.sizes(), first, last, dtype, generator});
        return like(input, finish(drawn, options));
      },
      py::arg("input"), py::arg("low") = py::none(), py::arg("high") = py::none(),
      "Uniform integers in input's shape.");
  bind_fills();
}

}  // namespace unspool::bind
