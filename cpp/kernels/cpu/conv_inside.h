// Which taps an output meets inside of the image, for tiles whose lanes are filters. Near an edge a part of
// the kernel lies over padding: a fifth of all pairs of 3 x 3 on 7 x 7 elements, three quarters with a
// dilation of most of the image. Along each axis the taps that an output meets are a span; outputs whose
// spans agree share a list of taps and lie side by side in the tiles. Where few agree they take more taps
// than they meet: the stage shows zeros there. Shapes decide all of it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/conv_filter_tile.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/conv_tile.h"
#include "kernels/cpu/gemm_run.h"

namespace unspool::kernels::cpu {

// Taps [first, end) of those that a phase has along an axis.
struct TapSpan {
  std::int32_t first, end;

  bool operator==(const TapSpan&) const = default;
};

// How many taps the phase of output `out` has along an axis, and which of them meet the image.
struct TapsOfOutput {
  std::int32_t all = 0;
  TapSpan inside{0, 0};

  TapsOfOutput(const ConvAxis& axis, bool transposed, std::int64_t out) {
    for (std::int64_t t = 0; t < axis.kernel; ++t) {
      const std::int64_t reach = t * axis.dilation - axis.padding;
      std::int64_t in = out * axis.stride + reach;
      if (transposed) {
        if ((out - reach) % axis.stride != 0) continue;
        in = out < reach ? -1 : (out - reach) / axis.stride;
      }
      if (in >= 0 && in < axis.in) {
        if (inside.end == 0) inside.first = all;
        inside.end = all + 1;
      }
      ++all;
    }
  }

  bool are_all_inside() const { return inside.end - inside.first == all; }
};

// Outputs side by side in the tiles, with the taps that they share.
struct FilterRun {
  const FilterSpot* spots;
  std::int64_t count;
  const Tap* taps;  // `place` is the one among the packed weights of a channel
  std::int64_t tap_count;
};

// Outputs [first, first + count) of a phase, whose results are brought together before they are stored.
struct FilterRows {
  std::int64_t first, count;
  const FilterRun* runs;
  std::int64_t run_count;
};

// The outputs of every phase in the order in which tiles of filters take them.
template <class T>
class FilterOrder {
 public:
  static constexpr std::int64_t kRows = 96;

  // Of one phase.
  struct Order {
    const FilterRows* rows;
    std::int64_t count;
  };

  // `together` images of `batch` are computed at once. Where nothing is by filters there is nothing to know.
  FilterOrder(const ConvPlan<T>& plan, bool by_filters, std::int64_t batch, std::int64_t together)
      : plan_(plan), together_(together), rest_(batch % together) {
    if (!by_filters) return;
    if (pays())
      for (int a = 0; a < 3; ++a) classes_[a] = count_classes(a);
    tables_ = rest_ > 0 ? 2 : 1;
    for (std::int64_t band = 1; band < plan.bands(); ++band) tables_ += is_like_before(band) ? 0 : 1;
  }

  std::size_t bytes() const {
    const std::size_t table =
        bytes_of<FilterSpot>(spots()) + bytes_of<FilterRun>(most_runs()) + bytes_of<FilterRows>(most_rows());
    return bytes_of<Tap>(listed_taps()) + bytes_of<TapSpan>(spans()) + bytes_of<std::int32_t>(outputs()) +
           bytes_of<std::int64_t>(plan_.bands()) + bytes_of<Order>(tables_ * plan_.phases()) +
           static_cast<std::size_t>(tables_) * table;
  }

  // `tables` are the plan's for all bands but the last and for the last, the spots of each phase repeated for
  // all images.
  template <class Tables, class Take>
  void fill(const Tables& tables, const Tap* taps, const Take& take) {
    take(listed_taps(), lists_);
    take(spans(), spans_);
    take(outputs(), class_of_);
    take(plan_.bands(), table_of_);
    take(tables_ * plan_.phases(), orders_);
    classify();
    list_taps(tables[0].phases, taps);
    std::int64_t filled = 0;
    for (std::int64_t band = 0; band < plan_.bands(); ++band) {
      if (band == 0 || !is_like_before(band))
        fill_table(tables[band + 1 == plan_.bands() ? 1 : 0], band, together_, filled++, take);
      table_of_[band] = filled - 1;
    }
    if (filled < tables_) fill_table(tables[1], 0, rest_, filled, take);
  }

  const Order& of(std::int64_t band, std::int64_t images, std::int64_t phase) const {
    const std::int64_t table = images == together_ ? table_of_[band] : tables_ - 1;
    return orders_[table * plan_.phases() + phase];
  }

 private:
  static constexpr std::int64_t kClasses = 8;  // of spans along an axis; class 0 has all taps
  static constexpr std::int64_t kEnough = 4;   // outputs that hide the latency of their sums
  static constexpr double kLeastPart = 1.0 / 32, kLeastWork = 2048;  // multiply-adds spared of an output's

  static constexpr std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  const ConvShape& shape() const { return plan_.shape(); }
  TapsOfOutput taps_of(int a, std::int64_t out) const { return {shape().axis[a], plan_.transposed(), out}; }

  // Whether so much meets padding that it is worth to find out where.
  bool pays() const {
    const std::int64_t per_output = shape().work() / shape().out_size();
    const auto work = static_cast<double>(per_output);
    if (plan_.in_place() || has_one_tap() || work < kLeastWork) return false;
    double inside = 1;
    for (int a = 0; a < 3; ++a) {
      std::int64_t met = 0, all = 0;
      for (std::int64_t o = 0; o < shape().axis[a].out; ++o) {
        const TapsOfOutput taps = taps_of(a, o);
        met += taps.inside.end - taps.inside.first, all += taps.all;
      }
      inside *= static_cast<double>(met) / static_cast<double>(std::max<std::int64_t>(1, all));
    }
    return 1 - inside >= kLeastPart && (1 - inside) * work >= kLeastWork;
  }

  // How many classes of outputs there are along an axis, at most: all taps, and every span that occurs.
  std::int64_t count_classes(int a) const {
    const std::int64_t step = plan_.phases_along(a), out = shape().axis[a].out;
    std::int64_t most = 1;
    for (std::int64_t r = 0; r < step; ++r) {
      TapSpan last{-1, -1};
      std::int64_t count = 1;
      for (std::int64_t o = r; o < out; o += step) {
        const TapsOfOutput taps = taps_of(a, o);
        if (taps.inside != last && !taps.are_all_inside()) ++count;
        last = taps.inside;
      }
      most = std::max(most, count);
    }
    return std::min(kClasses, most);
  }

  // Whether the outputs of a band meet the same taps as those of the one before.
  bool is_like_before(std::int64_t band) const {
    const int a = plan_.band_axis();
    const std::int64_t size = plan_.band_size(band), step = plan_.band_size(0);
    if (size != step) return false;
    if (classes_[a] == 1) return true;
    for (std::int64_t o = band * step; o < band * step + size; ++o) {
      if (taps_of(a, o).inside != taps_of(a, o - step).inside) return false;
    }
    return true;
  }

  // ---- memory ----

  std::int64_t boxes() const { return classes_[0] * classes_[1] * classes_[2]; }
  bool has_one_tap() const { return shape().taps() == 1 && plan_.phases() == 1; }
  std::int64_t listed_taps() const { return has_one_tap() ? shape().channels : boxes() * shape().taps(); }
  std::int64_t spans() const {
    return kClasses * (plan_.phases_along(0) + plan_.phases_along(1) + plan_.phases_along(2));
  }
  std::int64_t outputs() const { return shape().axis[0].out + shape().axis[1].out + shape().axis[2].out; }
  std::int64_t spots() const { return together_ * plan_.most_spots(); }
  std::int64_t most_rows() const { return spots() / kRows + plan_.phases(); }
  std::int64_t most_runs() const { return spots() / kEnough + most_rows(); }

  // ---- classes of spans ----

  // Of the outputs with that remainder along an axis.
  TapSpan* spans_of(int a, std::int64_t remainder) const {
    for (int b = 0; b < a; ++b) remainder += plan_.phases_along(b);
    return spans_ + kClasses * remainder;
  }
  std::int32_t* classes_of(int a) const {
    std::int32_t* classes = class_of_;
    for (int b = 0; b < a; ++b) classes += shape().axis[b].out;
    return classes;
  }

  void classify() {
    constexpr TapSpan kNone{-1, -1};
    std::fill_n(spans_, spans(), kNone);
    for (int a = 0; a < 3; ++a) {
      for (std::int64_t o = 0; o < shape().axis[a].out; ++o) {
        const TapsOfOutput taps = taps_of(a, o);
        TapSpan* const known = spans_of(a, o % plan_.phases_along(a));
        known[0] = {0, taps.all};
        std::int32_t c = 0;
        while (c < classes_[a] && known[c] != taps.inside && known[c] != kNone) ++c;
        if (c == classes_[a]) c = 0;
        if (known[c] == kNone) known[c] = taps.inside;
        classes_of(a)[o] = c;
      }
    }
  }

  // ---- lists of taps, by phase and the classes along each axis ----

  Tap* list(const Phase& phase, std::int64_t box) const {
    return lists_ + boxes() * phase.first_tap + box * phase.taps;
  }
  // The spans of a box of a phase; of none there is if the classes do not occur.
  std::array<TapSpan, 3> spans_of_box(std::int64_t phase, std::int64_t box) const {
    const std::int64_t remainder[3] = {phase / plan_.phases_along(2) / plan_.phases_along(1),
                                       phase / plan_.phases_along(2) % plan_.phases_along(1),
                                       phase % plan_.phases_along(2)};
    return {spans_of(0, remainder[0])[box / classes_[2] / classes_[1]],
            spans_of(1, remainder[1])[box / classes_[2] % classes_[1]],
            spans_of(2, remainder[2])[box % classes_[2]]};
  }

  std::int64_t taps_in_box(std::int64_t phase, std::int64_t box) const {
    std::int64_t count = 1;
    for (const TapSpan& span : spans_of_box(phase, box)) count *= span.end - span.first;
    return count;
  }

  void list_taps(const Phase* phases, const Tap* taps) {
    if (has_one_tap()) {
      for (std::int64_t c = 0; c < shape().channels; ++c) lists_[c] = {c, c * plan_.channel_step()};
      return;
    }
    for (std::int64_t p = 0; p < plan_.phases(); ++p) {
      const std::array<TapSpan, 3> all = spans_of_box(p, 0);
      for (std::int64_t box = 0; box < boxes(); ++box) {
        const std::array<TapSpan, 3> span = spans_of_box(p, box);
        Tap* to = list(phases[p], box);
        for (std::int64_t d = span[0].first; d < span[0].end; ++d) {
          for (std::int64_t h = span[1].first; h < span[1].end; ++h) {
            for (std::int64_t w = span[2].first; w < span[2].end; ++w) {
              const std::int64_t place = (d * all[1].end + h) * all[2].end + w;
              *to++ = {place, taps[phases[p].first_tap + place].offset};
            }
          }
        }
      }
    }
  }

  // ---- the order ----

  // Walks over the outputs of a phase in the order of its spots.
  struct Walk {
    struct Axis {
      const std::int32_t* classes;
      std::int64_t step, place, count;

      std::int64_t here() const { return classes[place * step]; }
    };
    Axis axis[3];

    void go_on() {
      for (int a = 2; a >= 0; --a) {
        if (++axis[a].place < axis[a].count) return;
        axis[a].place = 0;
      }
    }
  };

  std::int64_t box_of(const Walk& walk) const {
    return (walk.axis[0].here() * classes_[1] + walk.axis[1].here()) * classes_[2] + walk.axis[2].here();
  }

  // Over those of a band.
  Walk walk(std::int64_t phase, std::int64_t band) const {
    Walk walk{};
    for (int a = 2; a >= 0; --a) {
      const std::int64_t step = plan_.phases_along(a), first = phase % step;
      const bool is_cut = a == plan_.band_axis();
      const std::int64_t out = is_cut ? plan_.band_size(band) : shape().axis[a].out;
      walk.axis[a] = {classes_of(a) + (is_cut ? band * plan_.band_size(0) : 0) + first, step, 0,
                      ceil_div(out - first, step)};
      phase /= step;
    }
    return walk;
  }

  struct Filling {
    FilterRows* rows;
    FilterRun* runs;
    FilterSpot* spots;
  };

  template <class Table, class Take>
  void fill_table(const Table& table, std::int64_t band, std::int64_t images, std::int64_t order_at,
                  const Take& take) {
    Filling to{};
    take(most_rows(), to.rows);
    take(most_runs(), to.runs);
    take(spots(), to.spots);
    for (std::int64_t p = 0; p < plan_.phases(); ++p) {
      const Phase& phase = table.phases[p];
      const Spot* spots = table.spots + phase.first_spot;
      Order& order = orders_[order_at * plan_.phases() + p];
      order = {to.rows, 0};
      Walk walk = this->walk(p, band);
      for_runs(phase.spots * images, kRows, [&](std::int64_t first, std::int64_t count) {
        to.rows[order.count++] = {first, count, to.runs, fill_runs(p, phase, spots + first, count, walk, to)};
      });
      to.rows += order.count;
    }
  }

  // The runs of `count` spots; returns how many there are.
  std::int64_t fill_runs(std::int64_t p, const Phase& phase, const Spot* spots, std::int64_t count,
                         Walk& walk, Filling& to) const {
    if (boxes() == 1) {
      for (std::int64_t i = 0; i < count; ++i) to.spots[i] = {spots[i].in, i};
      *to.runs++ = {to.spots, count, list(phase, 0), has_one_tap() ? shape().channels : phase.taps};
      to.spots += count;
      return 1;
    }
    std::array<std::int64_t, kRows> box;
    std::array<std::int64_t, kClasses * kClasses * kClasses> filled;
    const auto count_boxes = [&] {
      std::fill_n(filled.begin(), boxes(), 0);
      for (std::int64_t i = 0; i < count; ++i) ++filled[at(box[at(i)])];
    };
    for (std::int64_t i = 0; i < count; ++i, walk.go_on()) box[at(i)] = box_of(walk);
    count_boxes();
    // Few outputs take all taps along the width, or along more axes.
    for (std::int64_t all : {classes_[2], classes_[2] * classes_[1], boxes()}) {
      for (std::int64_t i = 0; i < count; ++i) {
        if (filled[at(box[at(i)])] < kEnough) box[at(i)] -= box[at(i)] % all;
      }
      count_boxes();
    }
    FilterRun* const first = to.runs;
    for (std::int64_t b = 0, start = 0; b < boxes(); ++b) {
      const std::int64_t here = std::exchange(filled[at(b)], start);
      if (here > 0) *to.runs++ = {to.spots + start, here, list(phase, b), taps_in_box(p, b)};
      start += here;
    }
    for (std::int64_t i = 0; i < count; ++i) to.spots[filled[at(box[at(i)])]++] = {spots[i].in, i};
    to.spots += count;
    return to.runs - first;
  }

  const ConvPlan<T>& plan_;
  const std::int64_t together_, rest_;
  std::int64_t classes_[3]{1, 1, 1}, tables_ = 1;
  Tap* lists_ = nullptr;
  TapSpan* spans_ = nullptr;
  std::int32_t* class_of_ = nullptr;
  std::int64_t* table_of_ = nullptr;
  Order* orders_ = nullptr;
};

}  // namespace unspool::kernels::cpu
