// Einstein summation: parses the equation, brings every operand to one order of indices, and contracts from
// left to right with batched matrix products.
#include <algorithm>
#include <array>
#include <string>

#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace unspool::ops {
namespace {

// Index labels are small integers: letters first, then the dimensions that "..." stands for.
using Labels = SmallVector<int, 8>;
constexpr int kLetters = 52;

int letter(const Call& c, char ch) {
  if (ch >= 'a' && ch <= 'z') return ch - 'a';
  if (ch >= 'A' && ch <= 'Z') return 26 + ch - 'A';
  c.fail("'", ch, "' is not a letter, in equation '", c.text("equation"), "'");
}

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// One term of the equation over a tensor of ndim dimensions; `ellipsis` counts the dimensions "..." stands
// for.
Labels parse_term(const Call& c, std::string_view term, int ndim, int& ellipsis) {
  int named = 0;
  bool has_ellipsis = false;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (term[i] != '.') {
      ++named;
    } else if (has_ellipsis || term.substr(i, 3) != "...") {
      c.fail("misplaced '.' in equation '", c.text("equation"), "'");
    } else {
      has_ellipsis = true;
      i += 2;
    }
  }
  const int covered = has_ellipsis ? ndim - named : 0;
  if (named + covered != ndim || covered < 0) {
    c.fail("term '", term, "' names ", named, " indices, but its operand has ", ndim, " dimensions");
  }
  ellipsis = covered;
  Labels labels;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (term[i] != '.') {
      labels.push_back(letter(c, term[i]));
      continue;
    }
    for (int k = covered; k-- > 0;)
      labels.push_back(kLetters + k);  // counted from the right, so that they align
    i += 2;
  }
  return labels;
}

struct Term {
  Tensor tensor;
  Labels labels;

  int dim_of(int label) const {
    return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
  }
};

// A repeated index within one operand means its diagonal.
void take_diagonals(Term& term) {
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    for (std::size_t j = i + 1; j < term.labels.size(); ++j) {
      if (term.labels[i] != term.labels[j]) continue;
      const int label = term.labels[i];
      term.tensor = call<Diagonal>({term.tensor}, {0, static_cast<int>(i), static_cast<int>(j)});
      term.labels.erase(j);
      term.labels.erase(i);
      term.labels.push_back(label);
      take_diagonals(term);
      return;
    }
  }
}

// Sums out what is not kept; integers become int64, as in any sum.
void sum_out(Term& term, const Labels& kept) {
  Dims dims;
  Labels rest;
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    if (contains(kept, term.labels[i]))
      rest.push_back(term.labels[i]);
    else
      dims.push_back(static_cast<std::int64_t>(i));
  }
  if (!dims.empty()) term.tensor = sum(term.tensor, dims, false);
  term.labels = rest;
}

// The tensor with its dimensions in the order of `labels`, with size 1 where it lacks one.
Tensor arranged(const Term& term, const Labels& labels) {
  Dims order;
  for (int label : labels) {
    if (contains(term.labels, label)) order.push_back(term.dim_of(label));
  }
  Tensor x = permute(term.tensor, order);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!contains(term.labels, labels[i])) x = unsqueeze(x, static_cast<std::int64_t>(i));
  }
  return x;
}

std::int64_t extent(const Term& term, int label) {
  return contains(term.labels, label) ? term.tensor.size(term.dim_of(label)) : 1;
}

// Contracts two terms, keeping the indices in `kept`.
Term contract(Term a, Term b, const Labels& kept) {
  Labels batch, left, right, summed;
  for (int label : a.labels) {
    const bool shared = contains(b.labels, label);
    if (shared && contains(kept, label)) batch.push_back(label);
    // An index of size 1 on one side is broadcast, not summed pairwise.
    else if (shared && extent(a, label) == extent(b, label))
      summed.push_back(label);
    else if (shared)
      batch.push_back(label);
    else
      left.push_back(label);
  }
  for (int label : b.labels) {
    if (!contains(a.labels, label)) right.push_back(label);
  }
  // Plain products promote, sums of products are of one floating dtype.
  if (summed.empty() || (!is_floating(a.tensor.dtype()) && !is_floating(b.tensor.dtype()))) {
    const Dtype type = promote(a.tensor.dtype(), b.tensor.dtype());
    a.tensor = to(a.tensor, type);
    b.tensor = to(b.tensor, type);
  }
  const auto joined = [](std::initializer_list<const Labels*> parts) {
    Labels all;
    for (const Labels* part : parts) all.append(part->begin(), part->end());
    return all;
  };
  const auto product_of = [](const Term& t, const Labels& labels) {
    std::int64_t n = 1;
    for (int label : labels) n *= extent(t, label);
    return n;
  };
  Dims batch_sizes;
  for (int label : batch) batch_sizes.push_back(std::max(extent(a, label), extent(b, label)));
  const auto as_matrices = [&](const Term& t, const Labels& order, std::int64_t rows, std::int64_t columns) {
    Dims full = batch_sizes;
    for (std::size_t i = batch.size(); i < order.size(); ++i) full.push_back(extent(t, order[i]));
    return reshape(expand(arranged(t, order), full), Dims{numel(batch_sizes), rows, columns});
  };
  const std::int64_t rows = product_of(a, left), inner = product_of(a, summed),
                     columns = product_of(b, right);
  const Tensor product = call<Bmm>({as_matrices(a, joined({&batch, &left, &summed}), rows, inner),
                                    as_matrices(b, joined({&batch, &summed, &right}), inner, columns)});
  Dims sizes = batch_sizes;
  for (int label : left) sizes.push_back(extent(a, label));
  for (int label : right) sizes.push_back(extent(b, label));
  Term result{reshape(product, sizes), joined({&batch, &left, &right})};
  return result;
}

}  // namespace

Tensor einsum(const Call& c) {
  std::string equation(c.text("equation"));
  std::erase(equation, ' ');
  const auto arrow = equation.find("->");
  std::string_view left = std::string_view(equation).substr(0, arrow);
  SmallVector<Term, 4> terms;
  std::array<int, kLetters + kMaxDims> uses{};
  std::array<std::int64_t, kLetters + kMaxDims> sizes;
  sizes.fill(1);
  int widest = 0;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    const auto comma = left.find(',');
    if ((comma == std::string_view::npos) != (i + 1 == c.in.size())) {
      c.fail("equation '", equation, "' has another number of terms than the ", c.in.size(),
             " operands given");
    }
    int ellipsis = 0;
    Term term{c.tensor(static_cast<int>(i)),
              parse_term(c, left.substr(0, comma), c.ndim(static_cast<int>(i)), ellipsis)};
    widest = std::max(widest, ellipsis);
    for (std::size_t d = 0; d < term.labels.size(); ++d) {
      const auto label = static_cast<std::size_t>(term.labels[d]);
      const std::int64_t size = term.tensor.sizes()[d];
      if (size != 1 && sizes[label] != 1 && sizes[label] != size) {
        c.fail("operand ", i, " of shape ", to_string(term.tensor.sizes()), " gives an index the size ", size,
               ", but another operand gave it ", sizes[label], ", in equation '", equation, "'");
      }
      sizes[label] = std::max(sizes[label], size == 0 ? 0 : size);
      ++uses[label];
    }
    take_diagonals(term);
    terms.push_back(std::move(term));
    if (comma != std::string_view::npos) left = left.substr(comma + 1);
  }
  if (terms.empty()) c.fail("needs at least one operand");

  Labels output;
  if (arrow != std::string::npos) {
    const std::string_view right = std::string_view(equation).substr(arrow + 2);
    int ellipsis = 0;
    const auto dots = right.find("...");
    const int named = static_cast<int>(right.size()) - (dots == std::string_view::npos ? 0 : 3);
    output = parse_term(c, right, named + (dots == std::string_view::npos ? 0 : widest), ellipsis);
    for (std::size_t i = 0; i < output.size(); ++i) {
      const auto label = static_cast<std::size_t>(output[i]);
      if (uses[label] == 0) c.fail("output index of '", equation, "' appears in no operand");
      if (std::count(output.begin(), output.end(), output[i]) > 1)
        c.fail("an output index repeats in '", equation, "'");
    }
  } else {
    for (int k = widest; k-- > 0;) output.push_back(kLetters + k);
    // Alphabetical: upper case before lower case.
    for (int i = 0; i < kLetters; ++i) {
      const int label = (i + 26) % kLetters;
      if (uses[static_cast<std::size_t>(label)] == 1) output.push_back(label);
    }
  }

  for (std::size_t i = 0; i + 1 < terms.size() + 1; ++i) {
    Labels kept = output;
    for (std::size_t j = i + 1; j < terms.size(); ++j)
      kept.append(terms[j].labels.begin(), terms[j].labels.end());
    if (i > 0) terms[i] = contract(terms[i - 1], terms[i], kept);
    sum_out(terms[i], kept);
    if (i + 1 < terms.size()) {
      // What only this pair shares may be summed by the product; sum the next one's own indices first.
      Labels needed = output;
      needed.append(terms[i].labels.begin(), terms[i].labels.end());
      for (std::size_t j = i + 2; j < terms.size(); ++j)
        needed.append(terms[j].labels.begin(), terms[j].labels.end());
      sum_out(terms[i + 1], needed);
    }
  }
  return arranged(terms.back(), output);
}

}  // namespace unspool::ops
