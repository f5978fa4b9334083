// The list of families is the only place where operations are enumerated.
#include "ops/registry.h"

#include <vector>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/attention.h"
#include "ops/bits.h"
#include "ops/comparison.h"
#include "ops/convolution.h"
#include "ops/creation.h"
#include "ops/cross.h"
#include "ops/ctc.h"
#include "ops/distance.h"
#include "ops/drawing.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/im2col.h"
#include "ops/joining.h"
#include "ops/linalg.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/normalization.h"
#include "ops/padding.h"
#include "ops/picking.h"
#include "ops/pointwise.h"
#include "ops/pooling.h"
#include "ops/recurrent.h"
#include "ops/reduction.h"
#include "ops/repeating.h"
#include "ops/resample.h"
#include "ops/sampling.h"
#include "ops/scan.h"
#include "ops/scatter.h"
#include "ops/shape.h"
#include "ops/shuffle.h"
#include "ops/softmax.h"
#include "ops/sorting.h"
#include "ops/special.h"
#include "ops/strided.h"
#include "ops/update.h"
#include "ops/warp.h"

namespace unspool::ops {
namespace {

void append(std::initializer_list<Op*> family, std::vector<const Op*>& all) {
  for (Op* op : family) {
    op->id = static_cast<std::uint32_t>(all.size());
    all.push_back(op);
  }
}

template <class... Ts>
void append_family(OpList<Ts...>, std::vector<const Op*>& all) {
  append({&op_of<Ts>...}, all);
}

template <class... Families>
std::vector<const Op*> collect() {
  std::vector<const Op*> all;
  (append_family(Families{}, all), ...);
  return all;
}

}  // namespace

std::span<const Op* const> registry() {
  static const std::vector<const Op*> all =
      collect<ArithmeticOps, ArithmeticComposites, PointwiseOps, PointwiseComposites, ComparisonOps,
              BitwiseOps, SelectionOps, SelectionComposites, ActivationOps, ActivationPairs,
              ActivationComposites, ShapeOps, ReductionOps, OtherReductions, MatmulOps, LinalgOps, JoiningOps,
              SoftmaxOps, LossCores, LossOps, CreationOps, UpdateOps, PaddingOps, EmbeddingOps,
              NormalizationOps, AttentionOps, DropoutOps, CtcOps, DistanceOps, CrossOps, ConvolutionOps,
              WindowOps, RecurrentOps, PoolingCores, PoolingOps, ResampleOps, SamplingOps, WarpOps,
              ShuffleOps, StridedOps, PickingOps, ScanOps, SortingOps, ScatterOps, RepeatingOps, DrawingOps,
              BitsOps, SpecialOps>();
  return all;
}

const Op* find_op(std::string_view name) {
  for (const Op* op : registry()) {
    if (op->record.name == name) return op;
  }
  return nullptr;
}

}  // namespace unspool::ops
