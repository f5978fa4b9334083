// Kernels of the convolution in both directions: images are staged where they must be (conv_stage.h), weights
// are packed in the order in which the tiles read them, and each chunk walks tiles of filters and spots
// (conv_tile.h). Every output is one chain over channels and taps in ascending order, or, where columns of
// the kernel are kept apart (conv_columns.h), one such chain for each; so chunks and tiles change no bit.
// Integers run as plain loops.
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>

#include "kernels/cpu/conv_columns.h"
#include "kernels/cpu/conv_filter_tile.h"
#include "kernels/cpu/conv_inside.h"
#include "kernels/cpu/conv_lines.h"
#include "kernels/cpu/conv_product.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/conv_stage.h"
#include "kernels/cpu/conv_tile.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/lane.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kStageBytes = 192 << 10;  // of the second-level cache, for one staged image
// By filters images are read in long runs, so that they may come from farther away, and bands with many
// outputs overlap less and read the weights less often.
constexpr std::int64_t kMostStageBytes = 1 << 20, kBandSpots = 1024;
constexpr std::int64_t kWeightBytes = 64 << 10;      // of weights that stay in the second level beside spots
constexpr std::int64_t kNearWeightBytes = 32 << 10;  // of weights that stay in the nearest cache
// Weights so large are packed while so few outputs at most meet them, each part once.
constexpr std::int64_t kLateBytes = 256 << 10, kMostLateSpots = 1024;
constexpr std::int64_t kTogetherBytes = 512 << 10;  // for small images that share the reading of weights

template <class T>
class ConvRun {
 public:
  ConvRun(const ConvShape& shape, bool transposed)
      : by_columns_(transposed && pays_columns_apart<T>(shape, kStageBytes)),
        column_sums_(shape),
        shape_(by_columns_ ? columns_apart(shape) : shape),
        transposed_(transposed),
        by_filters_(!by_columns_ && lanes_are_filters<T>(shape, transposed)),
        plan_(shape_, transposed, by_filters_ ? 1 : kW, stage_bytes()),
        together_(images_together()),
        order_(plan_, by_filters_, shape_.batch, together_),
        packs_late_(by_filters_ && plan_.bands() == 1 && together_ == shape_.batch &&
                    together_ * plan_.most_spots() <= kMostLateSpots &&
                    weights() * std::int64_t{sizeof(T)} >= kLateBytes) {}

  std::size_t scratch(int threads) const {
    return table_bytes() + (by_filters_ ? order_.bytes() : 0) + bytes_of<T>(packed_weights()) +
           bytes_of<T>(shape_.groups * width()) + bytes_of<ColumnMask>(masks()) +
           Slots::bytes(threads, bytes_of<T>(slot_elements()));
  }

  void run(const Context& context, const T* in, const T* weight, const T* bias, T* out) {
    in_ = in, weight_ = weight, out_ = out;
    column_bias_ = bias;
    cut_into_chunks(context.threads);
    std::byte* memory = context.scratch;
    const auto take = [&memory]<class E>(std::int64_t count, E*& to) {
      to = reinterpret_cast<E*>(memory);
      memory += bytes_of<E>(count);
    };
    for (Table& table : tables_) {
      take(plan_.phases(), table.phases);
      take(together_ * plan_.most_spots(), table.spots);
    }
    take(std::max(shape_.taps(), shape_.channels), taps_);
    take(packed_weights(), packed_);
    take(shape_.groups * width(), bias_);
    for (std::int64_t i = 0; i < 2; ++i) {
      Table& table = tables_[static_cast<std::size_t>(i)];
      plan_.fill(plan_.band_size(i == 0 ? 0 : plan_.bands() - 1), table.phases, table.spots, taps_);
      if (together_ > 1) repeat_spots(table);
    }
    for (std::int64_t p = 0; p < plan_.phases(); ++p)
      has_gaps_ = has_gaps_ || (!by_columns_ && tables_[0].phases[p].taps == 0);
    taps_in_order_ = plan_.phases() == 1;
    for (std::int64_t t = 0; t < shape_.taps(); ++t) taps_in_order_ = taps_in_order_ && taps_[t].place == t;
    if (by_filters_) order_.fill(tables_, taps_, take);
    take(masks(), masks_);
    if (by_columns_) column_sums_.fill(masks_);
    if (!packs_late_) pack(context);
    pack_bias(by_columns_ ? nullptr : bias);
    // A single tap: channels take the place of taps, which spares the tiles their outer loop.
    if (!by_filters_ && has_one_tap()) {
      for (std::int64_t c = 0; c < shape_.channels; ++c) taps_[c] = {0, c * plan_.channel_step()};
    }
    Slots slots(memory, context.threads, bytes_of<T>(slot_elements()));
    context.parallel(chunks_, [&](std::int64_t chunk) {
      slots.lend([&](std::byte* slot) { run_chunk(chunk, reinterpret_cast<T*>(slot)); });
    });
  }

 private:
  static constexpr std::int64_t kW = simd::kWidth<T>, kRows = FilterOrder<T>::kRows;

  struct Table {
    Phase* phases;
    Spot* spots;
  };

  std::int64_t stage_bytes() const {
    const std::int64_t bytes = shape_.channels * kBandSpots * static_cast<std::int64_t>(sizeof(T));
    return by_filters_ ? std::clamp(bytes, kStageBytes, kMostStageBytes) : kStageBytes;
  }
  std::int64_t masks() const { return by_columns_ ? column_sums_.masks() : 0; }
  std::int64_t slot_elements() const {
    if (by_filters_) return staged() + late_weights() + rows() * 2 * kW;
    return together_ * plan_.staged() + (by_columns_ ? column_sums_.elements() : 0);
  }
  std::int64_t staged() const { return round_up(together_ * plan_.staged(), 64 / std::int64_t{sizeof(T)}); }
  // The most weights that are packed at once, late.
  std::int64_t late_weights() const {
    if (!packs_late_) return 0;
    const std::int64_t near = 2 * kNearWeightBytes / std::int64_t{sizeof(T)};
    return std::max(near, (has_one_tap() ? shape_.channels : shape_.taps()) * 2 * kW);
  }
  // Outputs whose results wait to be stored.
  std::int64_t rows() const { return packs_late_ ? together_ * plan_.most_spots() : kRows; }

  // ---- units: a group and a band of an image, or of several images that are small ----

  std::int64_t units() const { return ceil_div(shape_.batch, together_) * shape_.groups * plan_.bands(); }
  std::int64_t in_image() const { return shape_.groups * shape_.channels * shape_.in_size(); }
  std::int64_t out_image() const { return shape_.groups * shape_.filters * shape_.out_size(); }

  std::int64_t images_together() const {
    if (!by_filters_ || plan_.bands() > 1 || shape_.batch == 0) return 1;
    const std::int64_t size = sizeof(T),
                       bytes = std::max<std::int64_t>(1, shape_.channels * plan_.channel_step() * size);
    const bool is_large = weights() * size > kTogetherBytes;
    // All images together meet large weights while those are packed, once.
    if (is_large && plan_.phases() == 1 && shape_.batch * plan_.most_spots() <= kMostLateSpots / 2 &&
        shape_.batch * bytes <= kMostStageBytes)
      return shape_.batch;
    const std::int64_t rows = is_large ? 2 * kRows : kRows;
    const std::int64_t most =
        std::max<std::int64_t>(1, std::min(rows / plan_.most_spots(), kTogetherBytes / bytes));
    return ceil_div(shape_.batch, ceil_div(shape_.batch, most));
  }

  // A single thread stages each unit once; several share the filters of a few large units, which each part of
  // them stages for itself.
  void cut_into_chunks(int threads) {
    const std::int64_t units = this->units(), work = shape_.work() / std::max<std::int64_t>(1, units);
    parts_ = 1;
    if (threads > 1 && !by_columns_ && work >= 2 * kChunkWork)
      parts_ = std::clamp<std::int64_t>(std::min(16, 4 * threads) / units, 1,
                                        std::min(tiles(), ceil_div(shape_.filters, 16)));
    units_per_chunk_ = std::max<std::int64_t>(1, kChunkWork / std::max<std::int64_t>(1, work));
    chunks_ = ceil_div(units, units_per_chunk_) * parts_;
  }

  // Repeats the spots of each phase for all images of a unit, one image after the other.
  void repeat_spots(const Table& table) const {
    const std::int64_t in = plan_.in_place() ? in_image() : plan_.staged(), out = out_image();
    for (std::int64_t p = plan_.phases() - 1; p >= 0; --p) {
      Phase& phase = table.phases[p];
      Spot* const from = table.spots + phase.first_spot;
      phase.first_spot *= together_;
      Spot* const to = table.spots + phase.first_spot;
      for (std::int64_t i = together_ - 1; i >= 0; --i) {
        for (std::int64_t s = phase.spots - 1; s >= 0; --s) {
          Spot spot = from[s];
          spot.in += i * in, spot.out += i * out;
          to[i * phase.spots + s] = spot;
        }
      }
    }
  }

  bool has_one_tap() const { return shape_.taps() == 1 && plan_.phases() == 1; }
  std::size_t table_bytes() const {
    return 2 * (bytes_of<Phase>(plan_.phases()) + bytes_of<Spot>(together_ * plan_.most_spots())) +
           bytes_of<Tap>(std::max(shape_.taps(), shape_.channels));
  }

  // ---- tiles of filters: a few, or blocks of whole vectors when the lanes are filters ----

  std::int64_t tiles() const {
    return by_filters_ ? FilterBlocks<T>{shape_.filters}.count() : ceil_div(shape_.filters, kTileRows);
  }
  std::int64_t tile_start(std::int64_t tile) const {
    return by_filters_ ? FilterBlocks<T>{shape_.filters}.start(tile)
                       : Parts{shape_.filters, tiles()}.start(tile);
  }
  std::int64_t tile_size(std::int64_t tile) const { return tile_start(tile + 1) - tile_start(tile); }
  // Filters with the lanes that fill them up.
  std::int64_t width() const { return by_filters_ ? round_up(shape_.filters, kW) : shape_.filters; }

  // ---- packed weights, by group, phase and tile; within a tile by channel, tap and filter ----

  // Where each panel is used once, it is packed a part at a time just before.
  std::int64_t packed_weights() const { return packs_late_ ? 0 : weights(); }
  std::int64_t weights() const { return shape_.groups * width() * shape_.channels * shape_.taps(); }
  T* panel(std::int64_t group, const Phase& phase, std::int64_t tile) const {
    return packed_ + shape_.channels * ((group * shape_.taps() + phase.first_tap) * width() +
                                        phase.taps * tile_start(tile));
  }

  void pack(const Context& context) {
    const std::int64_t grain =
        ceil_div(std::int64_t{1} << 16, shape_.channels * shape_.taps() * tile_size(0) + 1);
    const std::int64_t count = shape_.groups * tiles();
    context.parallel(ceil_div(count, grain), [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * grain; i < std::min(count, (chunk + 1) * grain); ++i) {
        for (std::int64_t p = 0; p < plan_.phases(); ++p) {
          const Phase& phase = tables_[0].phases[p];
          pack_tile(i / tiles(), phase, i % tiles(), 0, shape_.channels,
                    panel(i / tiles(), phase, i % tiles()));
        }
      }
    });
  }

  // `channels` of a tile's weights, from `first` on.
  void pack_tile(std::int64_t group, const Phase& phase, std::int64_t tile, std::int64_t first,
                 std::int64_t channels, T* to) const {
    const std::int64_t taps = shape_.taps(), filters = tile_size(tile);
    const std::int64_t channel_step = transposed_ ? shape_.filters * taps : taps;
    const std::int64_t row = by_filters_ ? round_up(filters, kW) : filters;
    const std::int64_t columns = by_columns_ ? column_sums_.columns() : 1;
    std::array<std::int64_t, std::max<std::int64_t>(kTileRows, FilterBlocks<T>::kBlock)> places;
    for (std::int64_t f = 0; f < filters; ++f) {
      const std::int64_t filter = (tile_start(tile) + f) / columns, column = (tile_start(tile) + f) % columns;
      places[static_cast<std::size_t>(f)] =
          filter * columns * (transposed_ ? taps : shape_.channels * taps) + column;
    }
    const T* from = weight_ + group * shape_.filters * shape_.channels * taps + first * channel_step;
    if (taps_in_order_ && !by_columns_) {
      from += places[0];
      if (!transposed_)
        return pack_transposed(from, shape_.channels * taps, filters, filters, row, channels * taps, to);
      for (std::int64_t c = 0; c < channels; ++c)
        pack_transposed(from + c * channel_step, taps, filters, filters, row, taps, to + c * taps * row);
      return;
    }
    for (std::int64_t c = 0; c < channels; ++c, from += channel_step) {
      for (std::int64_t t = 0; t < phase.taps; ++t, to += row) {
        const T* tap = from + taps_[phase.first_tap + t].place * columns;
        for (std::int64_t f = 0; f < filters; ++f) to[f] = tap[places[static_cast<std::size_t>(f)]];
        for (std::int64_t f = filters; f < row; ++f) to[f] = T(0);
      }
    }
  }

  void pack_bias(const T* bias) {
    if (!bias) {
      bias_ = nullptr;
      return;
    }
    for (std::int64_t group = 0; group < shape_.groups; ++group) {
      T* const to = bias_ + group * width();
      std::copy_n(bias + group * shape_.filters, shape_.filters, to);
      std::fill(to + shape_.filters, to + width(), T(0));
    }
  }

  // ---- running ----

  void run_chunk(std::int64_t chunk, T* slot) {
    const std::int64_t units = this->units();
    const std::int64_t first = chunk / parts_ * units_per_chunk_;
    const Parts part{tiles(), parts_};
    const std::int64_t begin = part.start(chunk % parts_), end = part.start(chunk % parts_ + 1);
    std::int64_t band = first % plan_.bands(), group = first / plan_.bands() % shape_.groups;
    std::int64_t image = first / plan_.bands() / shape_.groups * together_, staged_band = -1;
    std::optional<Staging<T>> staging;
    const auto go_on = [&] {
      if (++band < plan_.bands()) return;
      band = 0;
      if (++group < shape_.groups) return;
      group = 0, image += together_;
    };
    for (std::int64_t unit = first; unit < std::min(units, first + units_per_chunk_); ++unit, go_on()) {
      const std::int64_t images = std::min(together_, shape_.batch - image);
      const T* in = in_ + image * in_image() + group * shape_.channels * shape_.in_size();
      if (plan_.in_place()) {
        in += plan_.in_offset(band);
      } else {
        if (!staging || band != staged_band) {
          std::fill(slot, slot + together_ * plan_.staged(), T(0));
          staging.emplace(plan_, band);
        }
        staged_band = band;
        for (std::int64_t i = 0; i < images; ++i)
          staging->copy(in + i * in_image(), slot + i * plan_.staged());
        in = slot;
      }
      T* const columns = slot + plan_.staged() + column_sums_.margin();
      T* const out = by_columns_ ? columns
                                 : out_ + image * out_image() + group * shape_.filters * shape_.out_size() +
                                       plan_.out_offset(band);
      const Table& table = tables_[band + 1 == plan_.bands() ? 1 : 0];
      if (has_gaps_) fill_gaps(group, images, plan_.out_extent(band), begin, end, out);
      for (std::int64_t p = 0; p < plan_.phases(); ++p) {
        Phase phase = table.phases[p];
        phase.spots *= images;
        if (phase.spots == 0 || (has_gaps_ && phase.taps == 0)) continue;
        if (by_filters_)
          run_filter_tiles(group, phase, table.spots + phase.first_spot, order_.of(band, images, p), in, out,
                           begin, end, slot + staged());
        else
          run_spot_tiles(group, phase, table.spots + phase.first_spot, in, out, begin, end);
      }
      if (by_columns_) {
        const T* const bias = column_bias_ ? column_bias_ + group * column_sums_.filters() : nullptr;
        column_sums_.add(
            columns, masks_, bias,
            out_ + (image * shape_.groups + group) * column_sums_.filters() * column_sums_.out_size());
      }
    }
  }

  // Outputs that no tap reaches lie between others: all get the bias before the others are computed.
  void fill_gaps(std::int64_t group, std::int64_t images, std::int64_t extent, std::int64_t begin,
                 std::int64_t end, T* out) const {
    for (std::int64_t i = 0; i < images; ++i) {
      for (std::int64_t f = tile_start(begin); f < tile_start(end); ++f)
        std::fill_n(out + i * out_image() + f * shape_.out_size(), extent,
                    bias_ ? bias_[group * width() + f] : T(0));
    }
  }

  // What all tiles of a phase have in common.
  template <class Tile>
  void set_operands(Tile& tile, const Phase& phase, const T* in) const {
    tile.in = in;
    tile.channels = has_one_tap() ? 1 : shape_.channels, tile.channel_step = plan_.channel_step();
    tile.taps = taps_ + phase.first_tap, tile.tap_count = has_one_tap() ? shape_.channels : phase.taps;
  }

  // Tiles [begin, end) of a group's filters, at all spots of a phase.
  void run_spot_tiles(std::int64_t group, const Phase& phase, const Spot* spots, const T* in, T* out,
                      std::int64_t begin, std::int64_t end) {
    ConvTile<T> tile{};
    set_operands(tile, phase, in);
    tile.filter_step = shape_.out_size(), tile.lane_step = plan_.lane_step();
    const auto run_tile = [&](std::int64_t rows, std::int64_t first, std::int64_t count) {
      tile.weights = panel(group, phase, rows);
      tile.bias = bias_ ? bias_ + group * width() + tile_start(rows) : nullptr;
      tile.out = out + tile_start(rows) * shape_.out_size();
      tile.spots = spots + first;
      pick_conv_tile<T>(tile_size(rows), count)(tile);
    };
    const std::int64_t most = most_beside(static_cast<int>(tile_size(0)));
    // As many filters together as have their weights in the second-level cache; they share the input of a few
    // spots, which stays in the first.
    const std::int64_t bytes =
        shape_.channels * phase.taps * tile_size(0) * static_cast<std::int64_t>(sizeof(T));
    for_runs(end - begin, std::max<std::int64_t>(1, kWeightBytes / std::max<std::int64_t>(1, bytes)),
             [&](std::int64_t group_begin, std::int64_t group_size) {
               for_runs(phase.spots, most, [&](std::int64_t first, std::int64_t count) {
                 for (std::int64_t rows = 0; rows < group_size; ++rows)
                   run_tile(begin + group_begin + rows, first, count);
               });
             });
  }

  // The same, by way of rows of lanes that are transposed a few at a time.
  void run_filter_tiles(std::int64_t group, const Phase& phase, const Spot* spots,
                        const typename FilterOrder<T>::Order& order, const T* in, T* out, std::int64_t begin,
                        std::int64_t end, T* memory) {
    T* const rows = memory + late_weights();
    const FilterBlocks<T> blocks{shape_.filters};
    FilterTile<T> tile{};
    set_operands(tile, phase, in);
    const std::int64_t channels = tile.channels, real_channels = has_one_tap() ? shape_.channels : 1;
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t vectors = blocks.vectors(block), lanes = vectors * kW;
      // As many channels together as have their weights in the nearest cache; they meet all spots of some
      // rows, or of all.
      const std::int64_t bytes = tile.tap_count * lanes * static_cast<std::int64_t>(sizeof(T));
      const Parts parts{channels,
                        std::clamp<std::int64_t>(ceil_div(channels * bytes, kNearWeightBytes), 1, channels)};
      tile.weight_step = tile.tap_count * lanes;
      tile.bias = bias_ ? bias_ + group * width() + tile_start(block) : nullptr;
      const std::int64_t together = packs_late_ ? order.count : 1;
      for (std::int64_t first = 0; first < order.count; first += together) {
        const std::span<const FilterRows> some(order.rows + first, static_cast<std::size_t>(together));
        for (std::int64_t part = 0; part < parts.count; ++part) {
          const std::int64_t c = parts.start(part);
          tile.in = in + c * tile.channel_step, tile.channels = parts.start(part + 1) - c;
          tile.adds = part > 0;
          if (packs_late_) {
            pack_tile(group, phase, block, c, tile.channels * real_channels, memory);
            tile.weights = memory;
          } else {
            tile.weights = panel(group, phase, block) + c * tile.weight_step;
          }
          for (const FilterRows& here : some) {
            tile.out = rows + (here.first - some[0].first) * lanes;
            for (const FilterRun* run = here.runs; run != here.runs + here.run_count; ++run)
              run_tiles(tile, *run, vectors);
          }
        }
        const std::int64_t count = some.back().first + some.back().count - some[0].first;
        store_transposed<T>(rows, lanes, spots + some[0].first, count,
                            out + tile_start(block) * shape_.out_size(), tile_size(block), shape_.out_size());
      }
    }
  }

  void run_tiles(FilterTile<T> tile, const FilterRun& run, std::int64_t vectors) const {
    tile.taps = run.taps, tile.tap_count = run.tap_count;
    for_runs(run.count, most_beside_filters(vectors), [&](std::int64_t first, std::int64_t count) {
      tile.spots = run.spots + first;
      pick_filter_tile<T>(count, vectors)(tile);
    });
  }

  using ColumnMask = typename ColumnSums<T>::Lanes;

  const bool by_columns_;
  const ColumnSums<T> column_sums_;
  const ConvShape shape_;
  const bool transposed_, by_filters_;
  const ConvPlan<T> plan_;
  const std::int64_t together_;
  FilterOrder<T> order_;
  const bool packs_late_;
  std::int64_t parts_ = 1, units_per_chunk_ = 1, chunks_ = 1;
  const T *in_ = nullptr, *weight_ = nullptr;
  T *out_ = nullptr, *packed_ = nullptr, *bias_ = nullptr;
  std::array<Table, 2> tables_{};
  const T* column_bias_ = nullptr;
  ColumnMask* masks_ = nullptr;
  Tap* taps_ = nullptr;
  bool taps_in_order_ = false;  // as in the kernel, all of them
  bool has_gaps_ = false;       // phases without taps, as where a stride is longer than the kernel
};

// ---- integers ----

// One output element: the sum over the taps that meet an input.
template <class T>
T plain_sum(const ConvShape& s, bool transposed, const T* in, const T* weight, std::int64_t channel_step,
            const std::int64_t (&place)[3], T start) {
  Lane<T> sum = start;
  for (std::int64_t tap = 0; tap < s.taps(); ++tap) {
    const std::int64_t t[3] = {tap / s.axis[2].kernel / s.axis[1].kernel,
                               tap / s.axis[2].kernel % s.axis[1].kernel, tap % s.axis[2].kernel};
    std::int64_t at = 0;
    bool meets = true;
    for (int a = 0; a < 3; ++a) {
      const ConvAxis& axis = s.axis[a];
      std::int64_t i = transposed ? place[a] + axis.padding - t[a] * axis.dilation
                                  : place[a] * axis.stride - axis.padding + t[a] * axis.dilation;
      if (transposed) {
        meets &= i % axis.stride == 0;
        i /= axis.stride;
      }
      meets &= i >= 0 && i < axis.in;
      at = at * axis.in + i;
    }
    if (!meets) continue;
    for (std::int64_t c = 0; c < s.channels; ++c)
      sum = sum + Lane<T>(in[c * s.in_size() + at]) * Lane<T>(weight[c * channel_step + tap]);
  }
  return sum.value;
}

template <class T>
void run_plain(const Context& context, const ConvShape& s, bool transposed, const T* in, const T* weight,
               const T* bias, T* out) {
  const std::int64_t filter_step = s.taps() * (transposed ? 1 : s.channels);
  const std::int64_t channel_step = s.taps() * (transposed ? s.filters : 1);
  context.parallel(s.batch * s.groups * s.filters, [&](std::int64_t row) {
    const std::int64_t filter = row % (s.groups * s.filters), group = filter / s.filters;
    const T* image = in + row / s.filters * s.channels * s.in_size();
    const T* w = weight + group * s.filters * s.channels * s.taps() + filter % s.filters * filter_step;
    for (std::int64_t o = 0; o < s.out_size(); ++o) {
      const std::int64_t place[3] = {o / s.axis[2].out / s.axis[1].out, o / s.axis[2].out % s.axis[1].out,
                                     o % s.axis[2].out};
      out[row * s.out_size() + o] =
          plain_sum(s, transposed, image, w, channel_step, place, bias ? bias[filter] : T(0));
    }
  });
}

template <bool kTransposed>
ConvShape shape_of(const KernelCall& call, TapRanges& taps) {
  return conv_shape(call.in[0], call.out[0], call.in[1].sizes + 2, call.attrs, kTransposed, taps);
}

// The weights that count, where those are not all.
template <class T>
std::size_t picked_bytes(const View& weight, const TapRanges& taps) {
  return taps.is_part() ? bytes_of<T>(weight.numel() / taps.all() * taps.count()) : 0;
}

template <bool kTransposed>
void run_convolution(const Context& whole, const KernelCall& call) {
  if (call.out[0].numel() == 0) return;
  TapRanges taps;
  const ConvShape shape = shape_of<kTransposed>(call, taps);
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const T *in = call.in[0].as<const T>(), *weight = call.in[1].as<const T>();
    Context context = whole;
    if (taps.is_part()) {
      T* const picked = reinterpret_cast<T*>(whole.scratch);
      pick_taps(whole, weight, call.in[1].numel() / taps.all(), taps, picked);
      weight = picked;
      context.scratch += picked_bytes<T>(call.in[1], taps);
    }
    const T* bias = call.has(2) ? call.in[2].as<const T>() : nullptr;
    T* const out = call.out[0].as<T>();
    if constexpr (!std::is_floating_point_v<T>) {
      run_plain(context, shape, kTransposed, in, weight, bias, out);
    } else if (const ConvProduct<T> product(shape, kTransposed); product.pays()) {
      product.run(context, in, weight, bias, out);
    } else if (ConvLines<T> lines(shape, kTransposed); lines.pays()) {
      lines.run(context, in, weight, bias, out);
    } else {
      ConvRun<T>(shape, kTransposed).run(context, in, weight, bias, out);
    }
  });
}

template <bool kTransposed>
std::size_t convolution_scratch(const KernelCall& call, int threads) {
  if (call.out[0].numel() == 0) return 0;
  TapRanges taps;
  const ConvShape shape = shape_of<kTransposed>(call, taps);
  return visit_dtype(call.out[0].dtype, [&]<class T>(T) -> std::size_t {
    const std::size_t picked = picked_bytes<T>(call.in[1], taps);
    if constexpr (!std::is_floating_point_v<T>) {
      return picked;
    } else {
      if (const ConvProduct<T> product(shape, kTransposed); product.pays())
        return picked + product.scratch(threads);
      if (const ConvLines<T> lines(shape, kTransposed); lines.pays()) return picked + lines.scratch(threads);
      return picked + ConvRun<T>(shape, kTransposed).scratch(threads);
    }
  });
}

constexpr std::array<Kernel, 2> kKernels = {{
    {"convolution", run_convolution<false>, convolution_scratch<false>},
    {"convolution_transposed", run_convolution<true>, convolution_scratch<true>},
}};

}  // namespace

std::span<const Kernel> convolution_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
