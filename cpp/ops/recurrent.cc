// Checks and derivatives of the recurrent layers.
#include "ops/recurrent.h"

#include "ops/joining.h"
#include "ops/matmul.h"
#include "ops/recompute.h"

namespace unspool::ops {
namespace {

std::int64_t gates_of(const Call& c) {
  const auto mode = c.text("mode");
  if (mode == "lstm") return 4;
  if (mode == "gru") return 3;
  if (mode == "tanh" || mode == "relu") return 1;
  c.fail_as(ErrorKind::kValue, "mode must be 'lstm', 'gru', 'tanh' or 'relu', got '", mode, "'");
}

// How many rows all steps have together.
std::int64_t check_steps(const Call& c) {
  const std::int64_t steps = c.integer("steps"), batch = c.integer("batch");
  if (steps < 1 || batch < 0) c.fail("expected at least 1 step, got ", steps, " of batch ", batch);
  if (!c.given("batch_sizes")) return steps * batch;
  const Dims& sizes = c.dims("batch_sizes");
  std::int64_t rows = 0, last = batch;
  for (std::int64_t size : sizes) {
    if (size < 1 || size > last)
      c.fail("batch_sizes must be positive and must not grow, got ", to_string(sizes));
    rows += last = size;
  }
  if (std::ssize(sizes) != steps || sizes[0] != batch) {
    c.fail("batch_sizes ", to_string(sizes), " do not fit ", steps, " steps of batch ", batch);
  }
  return rows;
}

void expect(const Call& c, int i, std::string_view argument, const Dims& sizes, Dtype type) {
  if (!c.has(i)) return;
  if (!std::equal(sizes.begin(), sizes.end(), c.sizes(i).begin(), c.sizes(i).end())) {
    c.fail(argument, " must be ", to_string(sizes), ", got ", to_string(c.sizes(i)));
  }
  if (c[i].impl().dtype != type) {
    c.fail(argument, " is ", name(c[i].impl().dtype), ", expected ", name(type), "; convert one with .to()");
  }
}

void check_floating(const Call& c, int i) {
  if (!is_floating(c[i].impl().dtype)) c.fail("needs floating tensors, got ", name(c[i].impl().dtype));
}

}  // namespace

void infer_recurrent(Inference& c) {
  check_floating(c, 0);
  const Dtype type = c[0].impl().dtype;
  const std::int64_t gates = gates_of(c), rows = check_steps(c), batch = c.integer("batch");
  const bool is_lstm = gates == 4;
  const DimSpan x = c.sizes(0), w = c.sizes(3), u = c.sizes(4);
  if (x.size() < 2 || w.size() != 2 || u.size() != 2 || w[0] != u[0] || w[0] % gates != 0) {
    c.fail("weight_ih ", to_string(w), " and weight_hh ", to_string(u), " do not fit input ", to_string(x));
  }
  const std::int64_t width = w[0] / gates, out = u[1];
  if (x.back() != w[1]) {
    c.fail("input.size(-1) must be equal to input_size. Expected ", w[1], ", got ", x.back());
  }
  if (numel(x.first(x.size() - 1)) != rows) {
    c.fail("input ", to_string(x), " does not hold the ", rows, " rows of all steps");
  }
  if (!is_lstm && c.has(7)) c.fail("only lstm has a projection");
  if (!c.has(7) && out != width)
    c.fail("weight_hh must be ", to_string(Dims{w[0], width}), ", got ", to_string(u));
  expect(c, 1, "the hidden state", {batch, out}, type);
  expect(c, 2, "the cell state", {batch, width}, type);
  expect(c, 3, "weight_ih", Dims(w), type);
  expect(c, 4, "weight_hh", Dims(u), type);
  expect(c, 5, "bias_ih", {w[0]}, type);
  expect(c, 6, "bias_hh", {w[0]}, type);
  expect(c, 7, "weight_hr", {out, width}, type);
  Dims sizes(x);
  sizes.back() = out;
  const std::int64_t more = is_lstm ? 2 * width : gates == 3 ? width : 0;
  c.give(0, std::move(sizes), type);
  c.give(1, {batch, out}, type);
  c.give(2, is_lstm ? Dims{batch, width} : Dims{0}, type);
  c.give(3, {rows * (w[0] + out + more)}, type);
}

void infer_recurrent_backward(Inference& c) {
  check_floating(c, 0);
  const Dtype type = c[0].impl().dtype;
  const std::int64_t gates = gates_of(c), rows = check_steps(c), batch = c.integer("batch");
  const bool is_lstm = gates == 4, is_gru = gates == 3;
  const DimSpan u = c.sizes(4);
  if (u.size() != 2 || u[0] % gates != 0)
    c.fail("weight_hh ", to_string(u), " does not have ", gates, " gates");
  const std::int64_t width = u[0] / gates, out = u[1];
  if (!c.has(5) && out != width) c.fail("weight_hh must be ", to_string(Dims{u[0], width}));
  const std::int64_t more = is_lstm ? 2 * width : is_gru ? width : 0;
  expect(c, 0, "reserve", {rows * (u[0] + out + more)}, type);
  if (c.has(1) && (c[1].impl().numel != rows * out || c[1].impl().dtype != type)) {
    c.fail("grad_output ", to_string(c.sizes(1)), " does not fit ", rows, " rows of ", out);
  }
  expect(c, 2, "grad_hidden", {batch, out}, type);
  expect(c, 3, "grad_cell", {batch, width}, type);
  expect(c, 4, "weight_hh", Dims(u), type);
  expect(c, 5, "weight_hr", {out, width}, type);
  c.give(0, {rows, u[0]}, type);
  c.give(1, is_gru ? Dims{rows, u[0]} : c.has(5) ? Dims{rows, out} : Dims{0, 0}, type);
  c.give(2, {batch, out}, type);
  c.give(3, is_lstm ? Dims{batch, width} : Dims{0}, type);
}

namespace {

Tensor join(const std::vector<Tensor>& parts) {
  if (parts.size() == 1) return parts[0];
  const std::vector<Operand> operands(parts.begin(), parts.end());
  const Attr attrs[1] = {0};
  return call_op(op_of<Cat>, operands, attrs);
}

Tensor rows_between(const Tensor& x, std::int64_t start, std::int64_t stop) {
  return start == 0 && stop == x.size(0) ? x : slice(x, 0, start, stop);
}

// The same recurrence, made of small operations.
struct Unrolled {
  std::string_view mode;
  std::span<const Operand> in;
  Tensor h, c;

  Tensor gate(const Tensor& gates, std::int64_t i) const {
    const std::int64_t width = gates.size(1) / (mode == "lstm" ? 4 : 3);
    return slice(gates, 1, i * width, (i + 1) * width);
  }

  // The new hidden and cell state of some rows from their input part.
  std::pair<Tensor, Tensor> cell(const Tensor& x, const Tensor& before, const Tensor& cell_before) const {
    const Tensor u = call<Linear>({before, in[4], in[6]});
    if (mode == "tanh") return {tanh(x + u), Tensor()};
    if (mode == "relu") return {relu(x + u), Tensor()};
    if (mode == "gru") {
      const Tensor r = sigmoid(gate(x, 0) + gate(u, 0)), z = sigmoid(gate(x, 1) + gate(u, 1));
      const Tensor n = tanh(gate(x, 2) + r * gate(u, 2));
      return {n + z * (before - n), Tensor()};
    }
    const Tensor gates = x + u;
    const Tensor after =
        sigmoid(gate(gates, 1)) * cell_before + sigmoid(gate(gates, 0)) * tanh(gate(gates, 2));
    const Tensor hidden = sigmoid(gate(gates, 3)) * tanh(after);
    return {in[7].is_tensor() ? call<Linear>({hidden, in[7], Operand()}) : hidden, after};
  }

  // Runs the step whose rows are `x` and returns their outputs.
  Tensor step(const Tensor& x) {
    const std::int64_t n = x.size(0), all = h.size(0);
    auto [hidden, after] = cell(x, rows_between(h, 0, n), c ? rows_between(c, 0, n) : Tensor());
    h = n == all ? hidden : join({hidden, rows_between(h, n, all)});
    if (c) c = n == all ? after : join({after, rows_between(c, n, all)});
    return hidden;
  }
};

std::vector<Tensor> unrolled(const Vjp& v, std::span<const Operand> in) {
  const Tensor x = in[0].tensor(), w = in[3].tensor(), u = in[4].tensor();
  const std::int64_t steps = v.integer("steps"), batch = v.integer("batch");
  const auto state = [&](const Operand& given, std::int64_t width) {
    return given.is_tensor() ? given.tensor() : full(Dims{batch, width}, 0.0, x.dtype());
  };
  Unrolled run{v.text("mode"), in, state(in[1], u.size(1)), Tensor()};
  if (run.mode == "lstm") run.c = state(in[2], u.size(0) / 4);
  std::vector<std::int64_t> starts(static_cast<std::size_t>(steps) + 1, 0);
  const bool packed = !v.attr("batch_sizes").is_none();
  for (std::size_t t = 0; t < static_cast<std::size_t>(steps); ++t) {
    starts[t + 1] = starts[t] + (packed ? v.dims("batch_sizes")[t] : batch);
  }
  const Tensor inputs = call<Linear>({reshape(x, Dims{starts.back(), w.size(1)}), w, in[5]});
  std::vector<Tensor> outputs(static_cast<std::size_t>(steps));
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const std::size_t t = v.flag("reverse") ? outputs.size() - 1 - k : k;
    outputs[t] = run.step(rows_between(inputs, starts[t], starts[t + 1]));
  }
  Dims sizes = x.sizes();
  sizes.back() = u.size(1);
  std::vector<Tensor> result{reshape(join(outputs), sizes), run.h};
  if (run.c) result.push_back(run.c);
  return result;
}

// gatesᵀ · x over all rows, by the product that has the many gates as its columns, which is the faster one.
Tensor weight_cotangent(const Tensor& gates, const Tensor& x) {
  return contiguous(mT(call<Mm>({mT(x), gates})));
}

}  // namespace

void recurrent_cotangents(Vjp& v, std::span<Tensor> grads) {
  if (is_recorded()) {
    return derive(v, grads, [&](std::span<const Operand> in) { return unrolled(v, in); });
  }
  const Tensor x = v.x(0), w = v.x(3), u = v.x(4), reserve = v.out(3);
  const std::int64_t out = u.size(1), rows = x.numel() / std::max<std::int64_t>(1, x.size(x.ndim() - 1));
  const bool is_gru = v.text("mode") == "gru", projects = v.in(7).is_tensor();
  const auto given = [&](int i) { return v.has_g(i) ? Operand(v.g(i)) : Operand(); };
  const bool has_cell = v.text("mode") == "lstm";
  auto found = call_all<RecurrentBackward>(
      {reserve, given(0), given(1), has_cell ? given(2) : Operand(), u, v.in(7)},
      {v.attr("mode"), v.attr("reverse"), v.attr("steps"), v.attr("batch"), v.attr("batch_sizes")});
  const Tensor &gates = found[0], &hidden_gates = is_gru ? found[1] : found[0];
  // The part of the reserve that begins at column `first` of a row, were all rows of a part together.
  const auto kept = [&](std::int64_t first, std::int64_t width) {
    return reshape(slice(reserve, 0, rows * first, rows * (first + width)), Dims{rows, width});
  };
  if (v.wants(0)) grads[0] = reshape(call<Mm>({gates, w}), x.sizes());
  if (v.wants(1)) grads[1] = found[2];
  if (v.wants(2) && has_cell) grads[2] = found[3];
  if (v.wants(3)) grads[3] = weight_cotangent(gates, reshape(x, Dims{rows, x.size(x.ndim() - 1)}));
  if (v.wants(4)) grads[4] = weight_cotangent(hidden_gates, kept(u.size(0), out));
  if (v.wants(5)) grads[5] = sum(gates, Dims{0});
  if (v.wants(6)) grads[6] = !is_gru && grads[5] ? grads[5] : sum(hidden_gates, Dims{0});
  if (v.wants(7) && projects) {
    const std::int64_t width = u.size(0) / 4;
    const Tensor o = slice(kept(0, u.size(0)), 1, 3 * width, 4 * width);
    grads[7] = call<Mm>({mT(found[1]), o * kept(u.size(0) + out + width, width)});
  }
}

}  // namespace unspool::ops
