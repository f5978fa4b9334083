// Every element-wise operation of the registry, in float32, on 16 and on a million elements, through eager
// execution: a new operation has its row here without anybody writing it.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "floors.h"
#include "ops/registry.h"

namespace {

using namespace unspool;
using ops::Attr;
using ops::Op;
using ops::Operand;

// The declared default; 1 for what has none.
Attr default_of(const ops::Arg& arg) {
  switch (arg.kind) {
    case ops::ArgKind::kInt:
      return Attr(static_cast<std::int64_t>(arg.has_default ? arg.number : 1));
    case ops::ArgKind::kFloat:
      return Attr(arg.has_default ? arg.number : 1.0);
    case ops::ArgKind::kBool:
      return Attr(arg.number != 0);
    case ops::ArgKind::kText:
      return arg.text ? Attr(arg.text) : Attr();
    default:
      return Attr();
  }
}

void run(benchmark::State& state, const Op& op) {
  std::vector<Operand> operands;
  std::vector<Attr> attrs;
  for (const ops::Arg& arg : op.record.args) {
    const bool is_mask = op.record.first_is_mask && operands.empty();
    if (ops::is_tensor_kind(arg.kind))
      operands.emplace_back(bench::operand(Dims{state.range(0)}, is_mask ? Dtype::kBool : Dtype::kFloat32));
    else
      attrs.push_back(default_of(arg));
  }
  try {
    for (auto _ : state) benchmark::DoNotOptimize(ops::call_op(op, operands, attrs));
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  bench::start_library();
  for (const Op* op : ops::registry()) {
    const bool has_float32 = op->record.dtypes & ops::bit(Dtype::kFloat32);
    if (op->record.kind != ops::Kind::kElementwise || !has_float32) continue;
    benchmark::RegisterBenchmark(std::string(op->record.name).c_str(), run, *op)->Arg(16)->Arg(1'000'000);
  }
  benchmark::RunSpecifiedBenchmarks();
}
