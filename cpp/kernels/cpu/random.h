// Block fills from the random stream of base/random.h: contiguous output, element order, one generator.
// Nothing here knows tensors, checks arguments or locks. Unless a comment says otherwise the values are bit
// for bit those that PyTorch 2.13 gives on a CPU for the same seed (sines and logarithms in double are the C
// library's, as there).
#pragma once

#include <cstdint>

#include "base/random.h"
#include "kernels/context.h"

namespace unspool::kernels::cpu {

// Tempered 32-bit draws.
void fill_bits(MersenneState& state, std::uint32_t* out, std::int64_t n);

// T = float, double. [from, to): float takes one draw per element, double two; one rounding after the
// product.
template <class T>
void fill_uniform(MersenneState& state, T* out, std::int64_t n, double from, double to);

// T = float, double. Below 16 elements the same as fill_normal_pairwise. From 16 on, Box-Muller over blocks
// of 16 uniforms of type T (8 radii, then 8 angles); when n is not a multiple of 16, the last 16 elements are
// drawn anew; unless these are to be rounded to a narrow dtype, the stream has a uniform for each of the
// elements after the last block before that. Standard normals in float lie within 3 ULP of PyTorch's (2^24 of
// them, 88 % equal).
template <class T>
void fill_normal(const Context& context, MersenneState& state, T* out, std::int64_t n, double mean,
                 double std, bool narrow = false);

// T = float, double. One by one in double, two for two uniforms; the odd one waits in the state. PyTorch
// draws in this way for fewer than 16 elements and for views whose memory has gaps or is permuted.
template <class T>
void fill_normal_pairwise(MersenneState& state, T* out, std::int64_t n, double mean, double std);

// Any of the six element types. `kept` with probability p and 0 otherwise; two draws per element, for p = 0
// and p = 1 as well. Dropout(p) is fill_bernoulli with 1 - p (it draws nothing when its p is 0 or 1).
template <class T>
void fill_bernoulli(MersenneState& state, T* out, std::int64_t n, double p, T kept = T(1));

// A probability per element: float probabilities take one draw each, double ones two.
template <class T, class P>
void fill_bernoulli_each(MersenneState& state, T* out, std::int64_t n, const P* p);

// Any of the six element types.
template <class T>
void fill_integers(MersenneState& state, T* out, std::int64_t n, IntegerRange range);

// A permutation of 0, ..., n - 1; T as wide as n needs. Takes n - 1 draws (2 n from 214748364 elements on).
template <class T>
void fill_permutation(MersenneState& state, T* out, std::int64_t n);

// T = float, double; computed in double from two draws each.
template <class T>
void fill_exponential(MersenneState& state, T* out, std::int64_t n, double rate);
template <class T>
void fill_cauchy(MersenneState& state, T* out, std::int64_t n, double median, double sigma);
// The exponential of fill_normal_pairwise, whatever n.
template <class T>
void fill_log_normal(MersenneState& state, T* out, std::int64_t n, double mean, double std);

// Trials up to the first success, 1, 2, ...; any element type but bool. A number that T cannot hold becomes
// its largest value (PyTorch leaves that case to the machine).
template <class T>
void fill_geometric(MersenneState& state, T* out, std::int64_t n, double p);

// Category indices for each row of `weights` [rows, categories] into `out` [rows, samples]; T = float,
// double. The weights are finite, not negative, and their sum is positive; without replacement at least
// `samples` of each row are positive. `scratch` holds `categories` elements.
template <class T>
void multinomial_with_replacement(MersenneState& state, std::int64_t* out, std::int64_t rows,
                                  std::int64_t samples, const T* weights, std::int64_t categories,
                                  T* scratch);
// Takes the largest of weight / exponential, which is also how PyTorch draws a single sample with
// replacement.
struct Ranked {
  double score;
  std::int64_t category;
};
template <class T>
void multinomial_without_replacement(MersenneState& state, std::int64_t* out, std::int64_t rows,
                                     std::int64_t samples, const T* weights, std::int64_t categories,
                                     Ranked* scratch);

}  // namespace unspool::kernels::cpu
