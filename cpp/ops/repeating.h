// Copies that repeat or shift elements, and matrices made from diagonals: compositions of views and copies.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

// `counts` has at least one entry per dimension; surplus ones make new dimensions in front.
Tensor repeat(const Call& c, const Tensor& x, Dims counts);
Tensor roll(const Call& c);
Tensor diag(const Call& c);
Tensor diag_embed(const Call& c);

struct Repeat {
  static constexpr Record record = [] {
    Record r = rearrangement(
        "repeat", "input side by side with itself, repeats[d] times along dim d",
        "Copies that repeat the whole tensor along each dimension; surplus counts make new dimensions in "
        "front.",
        {tensor(), dims("repeats")},
        [](const Call& c, std::span<Tensor> out) { out[0] = repeat(c, c.tensor(0), c.dims("repeats")); });
    r.where = kMethod;
    return r;
  }();
};

struct Tile {
  static constexpr Record record = rearrangement(
      "tile", "input side by side with itself, dims[d] times along dim d",
      "repeat, where missing counts, for the first dimensions, are 1.", {tensor(), dims("dims")},
      [](const Call& c, std::span<Tensor> out) {
        const Dims& given = c.dims("dims");
        Dims counts(static_cast<std::size_t>(std::max(0, c.ndim(0) - static_cast<int>(given.size()))), 1);
        for (std::int64_t count : given) counts.push_back(count);
        out[0] = repeat(c, c.tensor(0), counts);
      });
};

struct Roll {
  static constexpr Record record =
      rearrangement("roll", "input[(i - shift) mod n]",
                    "Elements moved on along dimensions; those pushed out come in again at the start. "
                    "Without dims the flattened "
                    "input is rolled.",
                    {tensor(), dims("shifts"), optional_dims("dims")},
                    [](const Call& c, std::span<Tensor> out) { out[0] = roll(c); });
};

struct Diag {
  static constexpr Record record = rearrangement(
      "diag", "input[i, i + diagonal], or its inverse",
      "The diagonal of a matrix as a vector, or a matrix of zeros with a vector on its diagonal.",
      {tensor(), integer("diagonal", 0)}, [](const Call& c, std::span<Tensor> out) { out[0] = diag(c); });
};

struct DiagEmbed {
  static constexpr Record record =
      rearrangement("diag_embed", "zeros with input on the diagonal of dims dim1 and dim2",
                    "Matrices of zeros, in two dimensions of the result, with the last dimension of the "
                    "input on a diagonal.",
                    {tensor(), integer("offset", 0), integer("dim1", -2), integer("dim2", -1)},
                    [](const Call& c, std::span<Tensor> out) { out[0] = diag_embed(c); });
};

struct Diagflat {
  static constexpr Record record =
      rearrangement("diagflat", "a matrix with all elements of input on a diagonal",
                    "A matrix of zeros with the flattened input on a diagonal.",
                    {tensor(), integer("offset", 0)}, [](const Call& c, std::span<Tensor> out) {
                      const Tensor flat = reshape(c.tensor(0), Dims{c.tensor(0).numel()});
                      out[0] = call<DiagEmbed>({flat}, {c.attr("offset"), -2, -1});
                    });
};

using RepeatingOps = OpList<Repeat, Tile, Roll, Diag, DiagEmbed, Diagflat>;

}  // namespace unspool::ops
