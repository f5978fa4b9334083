// The gradient of a convolution's weights: every tap of every filter is the dot product of the filter's
// gradient with the input as that tap sees it. Filters are cut into parts by their number alone. Where these
// are few, the batch is cut into blocks too; each block sums its images into weights of its own, and the
// blocks are added up in their order.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "kernels/cpu/conv_filter_tile.h"
#include "kernels/cpu/conv_product.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/conv_stage.h"
#include "kernels/cpu/conv_tile.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// Of the second-level cache, for images that are summed together.
constexpr std::int64_t kImageBytes = 256 << 10;
// With filters in the lanes images are read in long runs, which may come from farther away, and what counts
// is how rarely the sums do: a visit to them pays for this many spots, and their gradients fit the second
// level.
constexpr std::int64_t kMostImageBytes = 8 << 20, kBandSpots = 1024, kMostSpots = 2048;
constexpr std::int64_t kPartialBytes = 32 << 20;  // for the sums of all blocks
constexpr std::int64_t kBlocks = 4, kStageParts = 8;
// Taps go by themselves where at least this part of their outputs lies beside the image, so many in a visit
// that it pays to find out which, and channels fill a tile.
constexpr double kLeastBeside = 1.0 / 32, kLeastSpared = 32;
constexpr std::int64_t kLeastChannels = 8, kMostTaps = 64;

template <class T>
class WeightRun {
 public:
  // Sums by filter need no adding up of lanes, so they win where both ways fill them, or nearly, with many
  // filters.
  static bool prefers_filters(const ConvShape& shape) {
    const std::int64_t lanes = round_up(shape.filters, kW);
    const bool are_many = lanes >= 6 * kW && shape.filters * 8 >= lanes * 7;
    return lanes_are_filters<T>(shape, false) || shape.filters % (2 * kW) == 0 || are_many;
  }

  WeightRun(const ConvShape& shape, bool by_filters)
      : shape_(shape),
        by_filters_(by_filters),
        plan_(shape, false, by_filters_ ? 1 : kW, band_bytes()),
        grad_in_place_(!by_filters_ && shape.axis[2].out % kW == 0) {
    const std::int64_t units = shape.batch * plan_.bands(), bytes = sums() * kSize;
    blocks_ = std::clamp<std::int64_t>(shape.work() / (4 * kChunkWork), 1, std::min(units, kBlocks));
    blocks_ = std::clamp<std::int64_t>(kPartialBytes / bytes, 1, blocks_);
    const std::int64_t most = std::min(tiles(), ceil_div(shape.filters, 16));
    if (by_filters_ && shape.groups * most >= kBlocks) blocks_ = 1;
    const std::int64_t work = shape.work() / (blocks_ * shape.groups);
    parts_ = work < 4 * kChunkWork ? 1 : std::clamp<std::int64_t>(8 / (blocks_ * shape.groups), 1, most);
    stages_once_ = blocks_ == 1 && parts_ > 1 && !plan_.in_place();
    const std::int64_t image = shape.channels * plan_.channel_step() + part_width() * spots() * lanes();
    const std::int64_t in_block = plan_.bands() > 1 ? 1 : ceil_div(units, blocks_);
    const std::int64_t bytes_together = by_filters_ ? kMostImageBytes : kImageBytes;
    std::int64_t fit = std::clamp<std::int64_t>(bytes_together / (image * kSize), 1, in_block);
    if (by_filters_) fit = std::clamp<std::int64_t>(kMostSpots / spots(), 1, fit);
    together_ = ceil_div(in_block, ceil_div(in_block, fit));
    visits_once_ = by_filters_ && blocks_ == 1 && together_ == units;
    const double beside = 1 - part_inside();
    apart_ = by_filters_ && !plan_.in_place() && shape.channels >= kLeastChannels &&
             shape.taps() <= kMostTaps && beside >= kLeastBeside &&
             beside * static_cast<double>(together_ * spots()) >= kLeastSpared;
  }

  // Whether lanes that do not count meet other elements of the input than their tap's, with gradient 0.
  bool reads_beside() const { return !by_filters_ && !grad_in_place_; }

  std::size_t scratch(int threads) const {
    return bytes_of<Phase>(1) + 2 * (bytes_of<Spot>(spots()) + bytes_of<Pair>(spots())) +
           bytes_of<Tap>(shape_.taps()) + bytes_of<std::int64_t>(depth()) +
           (sums_in_place() ? 0 : bytes_of<T>(blocks_ * sums())) + stage_bytes() +
           Slots::bytes(threads, slot_bytes());
  }

  void run(const Context& context, const T* grad, const T* in, T* out) {
    grad_ = grad, in_ = in;
    std::byte* memory = context.scratch;
    const auto take = [&memory]<class E>(std::int64_t count, E*& to) {
      to = reinterpret_cast<E*>(memory);
      memory += bytes_of<E>(count);
    };
    Phase* phase;
    Tap* taps;
    take(1, phase);
    take(shape_.taps(), taps);
    take(depth(), offsets_);
    for (std::size_t i = 0; i < 2; ++i) {
      Table& table = tables_[i];
      take(spots(), table.spots);
      take(spots(), table.pairs);
      plan_.fill(plan_.band_size(i == 0 ? 0 : plan_.bands() - 1), phase, table.spots, taps);
      table.count = phase->spots;
      for (std::int64_t s = 0; s < table.count; ++s)
        table.pairs[s] = {table.spots[s].in, grad_in_place_ ? table.spots[s].out : s * kW};
    }
    for (std::int64_t k = 0; k < depth(); ++k) {
      const std::int64_t tap = apart_ ? k / shape_.channels : k % shape_.taps();
      const std::int64_t channel = apart_ ? k % shape_.channels : k / shape_.taps();
      offsets_[k] = channel * plan_.channel_step() + taps[tap].offset;
    }
    T* partial = out;
    if (!sums_in_place()) take(blocks_ * sums(), partial);
    T* const stage = reinterpret_cast<T*>(memory);
    Slots slots(memory + stage_bytes(), context.threads, slot_bytes());
    // Visits [first, end) of every chunk to runs of units.
    const auto run_chunks = [&](std::int64_t first, std::int64_t end) {
      context.parallel(blocks_ * shape_.groups * parts_, [&](std::int64_t chunk) {
        slots.lend([&](std::byte* slot) {
          run_chunk(chunk, first, end, partial, stage, reinterpret_cast<T*>(slot));
        });
      });
    };
    if (stages_once_) {
      for (std::int64_t visit = 0; visit < visits(); ++visit) {
        stage_all(context, visit * together_, stage);
        run_chunks(visit, visit + 1);
      }
    } else {
      run_chunks(0, visits());
    }
    if (!sums_in_place()) add_up(context, partial, out);
  }

 private:
  static constexpr std::int64_t kW = simd::kWidth<T>, kSize = sizeof(T);
  static constexpr std::int64_t kRows = 96;  // weights whose gradients are stored at once

  struct Table {
    Spot* spots;
    Pair* pairs;
    std::int64_t count;
  };

  // Of staged input, for a band.
  std::int64_t band_bytes() const {
    const std::int64_t bytes = shape_.channels * kBandSpots * kSize;
    return (by_filters_ ? std::clamp(bytes, kImageBytes, kMostImageBytes) : kImageBytes) / 2;
  }

  // How much of what outputs meet by taps is inside of the image.
  double part_inside() const {
    double part = 1;
    for (const ConvAxis& axis : shape_.axis) {
      std::int64_t met = 0;
      for (std::int64_t tap = 0; tap < axis.kernel; ++tap) {
        const StagedRange inside(tap * axis.dilation - axis.padding, axis.stride, axis.in, axis.out);
        met += inside.last - inside.first;
      }
      part *= static_cast<double>(met) / static_cast<double>(axis.kernel * axis.out);
    }
    return part;
  }

  std::int64_t depth() const { return shape_.channels * shape_.taps(); }
  std::int64_t lanes() const { return by_filters_ ? 1 : kW; }
  std::int64_t spots() const { return plan_.most_spots(); }

  // ---- tiles of filters, as in the convolution itself ----

  std::int64_t tiles() const {
    return by_filters_ ? FilterBlocks<T>{shape_.filters}.count() : ceil_div(shape_.filters, kTileRows);
  }
  std::int64_t tile_start(std::int64_t tile) const {
    return by_filters_ ? FilterBlocks<T>{shape_.filters}.start(tile)
                       : Parts{shape_.filters, tiles()}.start(tile);
  }
  std::int64_t width() const { return by_filters_ ? round_up(shape_.filters, kW) : shape_.filters; }
  // The most filters, with filling lanes, of a part.
  std::int64_t part_width() const {
    return ceil_div(tiles(), parts_) * (by_filters_ ? 2 * kW : std::int64_t{kTileRows});
  }

  // ---- memory ----

  // The sums of a block: by filter and tap, or by tap and lane.
  std::int64_t sums() const { return shape_.groups * width() * depth(); }
  bool sums_in_place() const { return blocks_ == 1 && (!by_filters_ || visits_once_); }
  std::int64_t staged_grad() const { return grad_in_place_ ? 0 : part_width() * spots() * lanes() + kW; }
  // Input that chunks share, or that each stages for itself.
  std::size_t stage_bytes() const {
    return stages_once_ ? bytes_of<T>(shape_.groups * together_ * plan_.staged()) : 0;
  }
  std::size_t own_stage_bytes() const { return stages_once_ ? 0 : bytes_of<T>(together_ * plan_.staged()); }
  // The sums of a run of weights on their way to where they are stored.
  std::int64_t rows() const {
    return visits_once_ ? 2 * kW * (apart_ ? most_beside_filters(2) * shape_.taps() : kRows) : 0;
  }
  std::size_t slot_bytes() const {
    return own_stage_bytes() + bytes_of<T>(together_ * staged_grad() + rows());
  }

  // ---- running ----

  Parts units_of_blocks() const { return {shape_.batch * plan_.bands(), blocks_}; }
  // Runs of units of the largest block.
  std::int64_t visits() const { return ceil_div(units_of_blocks().start(1), together_); }

  // The input of `together_` units from `unit` on, for all groups.
  void stage_all(const Context& context, std::int64_t unit, T* stage) const {
    const std::int64_t count = std::min(together_, shape_.batch * plan_.bands() - unit);
    const std::int64_t band = unit % plan_.bands(), image = unit / plan_.bands() * shape_.groups;
    // A unit's lanes beyond its last channel belong to the last part.
    const Parts channels{shape_.channels, std::min<std::int64_t>(shape_.channels, kStageParts)};
    context.parallel(count * shape_.groups * channels.count, [&](std::int64_t chunk) {
      const std::int64_t part = chunk % channels.count, i = chunk / channels.count;
      const std::int64_t first = channels.start(part), last = channels.start(part + 1);
      const std::int64_t place = i % shape_.groups * together_ + i / shape_.groups;
      T* const to = stage + place * plan_.staged();
      std::fill(to + first * plan_.channel_step(),
                last == shape_.channels ? to + plan_.staged() : to + last * plan_.channel_step(), T(0));
      Staging<T>(plan_, band).copy(in_ + (image + i) * shape_.channels * shape_.in_size(), to, first, last);
    });
  }

  void run_chunk(std::int64_t chunk, std::int64_t first, std::int64_t end_visit, T* partial, T* shared,
                 T* slot) {
    const std::int64_t part = chunk % parts_, group = chunk / parts_ % shape_.groups;
    const std::int64_t block = chunk / parts_ / shape_.groups;
    const Parts some{tiles(), parts_}, units = units_of_blocks();
    const std::int64_t begin = some.start(part), end = some.start(part + 1);
    T* const sums_of_group =
        partial + block * sums() + group * (visits_once_ ? shape_.filters : width()) * depth();
    if (!visits_once_ && first == 0) clear(begin, end, sums_of_group);
    T* const stage = stages_once_ ? shared + group * together_ * plan_.staged() : slot;
    const std::size_t before_grads = own_stage_bytes() / sizeof(T);
    T* const grads = slot + before_grads;
    std::int64_t staged_band = -1;
    const std::int64_t units_end =
        std::min(units.start(block + 1), units.start(block) + end_visit * together_);
    for (std::int64_t unit = units.start(block) + first * together_; unit < units_end; unit += together_) {
      const std::int64_t count = std::min(together_, units_end - unit);
      const std::int64_t band = unit % plan_.bands(), image = unit / plan_.bands() * shape_.groups + group;
      if (!stages_once_ && band != staged_band) std::fill(stage, stage + together_ * plan_.staged(), T(0));
      staged_band = band;
      const T* grad =
          grad_ + (image * shape_.filters + tile_start(begin)) * shape_.out_size() + plan_.out_offset(band);
      if (by_filters_)
        run_outer_tiles(image, band, count, grad, begin, end, stage, grads, sums_of_group);
      else
        run_dot_tiles(image, band, count, grad, begin, end, stage, grads, sums_of_group);
    }
  }

  void clear(std::int64_t begin, std::int64_t end, T* sums_of_group) {
    const std::int64_t last = end == tiles() ? width() : tile_start(end), first = tile_start(begin);
    if (!by_filters_) return std::fill(sums_of_group + first * depth(), sums_of_group + last * depth(), T(0));
    for (std::int64_t k = 0; k < depth(); ++k)
      std::fill(sums_of_group + k * width() + first, sums_of_group + k * width() + last, T(0));
  }

  // Where the tiles find the input of `count` images.
  template <class Tile>
  void place_input(std::int64_t image, std::int64_t band, std::int64_t count, T* stage, Tile& tile) {
    const std::int64_t size = shape_.channels * shape_.in_size();
    const T* in = in_ + image * size;
    tile.images = count;
    if (plan_.in_place()) {
      tile.in = in + plan_.in_offset(band), tile.in_image = shape_.groups * size;
      return;
    }
    tile.in = stage, tile.in_image = plan_.staged();
    if (stages_once_) return;
    const Staging<T> staging(plan_, band);
    for (std::int64_t i = 0; i < count; ++i)
      staging.copy(in + i * shape_.groups * size, stage + i * plan_.staged());
  }

  std::int64_t grad_image() const { return shape_.groups * shape_.filters * shape_.out_size(); }
  const Table& table_of(std::int64_t band) const { return tables_[band + 1 == plan_.bands() ? 1 : 0]; }

  // The gradient of `filters` filters, spot by spot, zero in lanes that do not count.
  void stage_grad(const Table& table, std::int64_t count, std::int64_t filters, const T* grad, T* stage) {
    for (std::int64_t i = 0; i < count; ++i, grad += grad_image()) {
      for (std::int64_t f = 0; f < filters; ++f) {
        for (std::int64_t s = 0; s < table.count; ++s, stage += kW) {
          const Spot& spot = table.spots[s];
          const T* const from = grad + f * shape_.out_size() + spot.out + spot.again;
          const int there = spot.count - spot.again;
          if (there == kW) {
            simd::store<T>(stage, simd::load<T>(from));
          } else {
            simd::store<T>(stage, simd::Vector<T>{});
            simd::store_partial(stage + spot.again, simd::load_partial(from, there), there);
          }
        }
      }
    }
  }

  void run_dot_tiles(std::int64_t image, std::int64_t band, std::int64_t count, const T* grad,
                     std::int64_t begin, std::int64_t end, T* stage, T* grads, T* sums_of_group) {
    const Table& table = table_of(band);
    const std::int64_t first = tile_start(begin), filters = tile_start(end) - first;
    DotTile<T> tile{};
    place_input(image, band, count, stage, tile);
    if (grad_in_place_) {
      tile.grad_image = grad_image(), tile.grad_row = shape_.out_size();
    } else {
      stage_grad(table, count, filters, grad, grads);
      grad = grads;
      tile.grad_image = filters * table.count * kW, tile.grad_row = table.count * kW;
    }
    tile.pairs = table.pairs, tile.pair_count = table.count;
    tile.sums_row = depth();
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t start = tile_start(t), rows = tile_start(t + 1) - start;
      tile.grad = grad + (start - first) * tile.grad_row;
      for_runs(depth(), most_beside(static_cast<int>(rows)), [&](std::int64_t k, std::int64_t taps) {
        tile.taps = offsets_ + k;
        tile.sums = sums_of_group + start * depth() + k;
        pick_dot_tile<T>(rows, taps)(tile);
      });
    }
  }

  // The outputs of a band that meet the image by a tap, or all.
  OutputBox box_of(std::int64_t band, std::int64_t tap, std::int64_t grad_step) const {
    const std::int64_t kernel[2] = {shape_.axis[1].kernel, shape_.axis[2].kernel};
    const std::int64_t place[3] = {tap / kernel[1] / kernel[0], tap / kernel[1] % kernel[0], tap % kernel[1]};
    OutputBox box{};
    for (int a = 2; a >= 0; --a) {
      const ConvAxis& axis = shape_.axis[a];
      const bool is_cut = a == plan_.band_axis();
      const std::int64_t start = is_cut ? band * plan_.band_size(0) : 0;
      const std::int64_t out = is_cut ? plan_.band_size(band) : axis.out;
      box.count[a] = out, box.in_step[a] = axis.stride * plan_.pitch(a), box.grad_step[a] = grad_step;
      grad_step *= out;
      if (!apart_) continue;
      const StagedRange inside(start * axis.stride + place[a] * axis.dilation - axis.padding, axis.stride,
                               axis.in, out);
      box.first[a] = inside.first, box.count[a] = inside.last - inside.first;
    }
    return box;
  }

  void run_outer_tiles(std::int64_t image, std::int64_t band, std::int64_t count, const T* grad,
                       std::int64_t begin, std::int64_t end, T* stage, T* grads, T* sums_of_group) {
    const std::int64_t spots = table_of(band).count;
    const FilterBlocks<T> blocks{shape_.filters};
    OuterTile<T> tile{};
    place_input(image, band, count, stage, tile);
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t vectors = blocks.vectors(block), filters = tile_start(block + 1) - tile_start(block);
      const std::int64_t step = vectors * kW;
      tile.grad = grads, tile.grad_image = spots * step;
      for (std::int64_t i = 0; i < count; ++i) {
        const T* from = grad + i * grad_image() + (tile_start(block) - tile_start(begin)) * shape_.out_size();
        pack_transposed(from, shape_.out_size(), filters, filters, step, spots, grads + i * tile.grad_image);
      }
      if (visits_once_) {
        store_sums(tile, band, vectors, filters, grads + together_ * staged_grad(),
                   sums_of_group + tile_start(block) * depth());
        continue;
      }
      tile.adds = true;
      each_run(vectors, [&](std::int64_t first, std::int64_t size) {
        sum_taps(tile, band, vectors, first, size, sums_of_group + first * width() + tile_start(block),
                 width());
      });
    }
  }

  // Calls visit(first, count) for runs of weights of a filter: whole channels when taps are apart.
  template <class F>
  void each_run(std::int64_t vectors, const F& visit) const {
    const std::int64_t taps = shape_.taps(), most = most_beside_filters(vectors);
    if (!apart_) return for_runs(depth(), kRows / most * most, visit);
    for_runs(shape_.channels, most,
             [&](std::int64_t first, std::int64_t count) { visit(first * taps, count * taps); });
  }

  // The gradients of such a run, to `sums` by weight and lane.
  void sum_taps(OuterTile<T> tile, std::int64_t band, std::int64_t vectors, std::int64_t first,
                std::int64_t size, T* sums, std::int64_t step) const {
    const std::int64_t taps = shape_.taps();
    if (!apart_) {
      tile.box = box_of(band, 0, vectors * kW);
      tile.sums_step = step;
      for_runs(size, most_beside_filters(vectors), [&](std::int64_t k, std::int64_t count) {
        tile.taps = offsets_ + first + k, tile.sums = sums + k * step;
        pick_outer_tile<T>(count, vectors)(tile);
      });
      return;
    }
    tile.sums_step = taps * step;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      tile.box = box_of(band, tap, vectors * kW);
      tile.taps = offsets_ + tap * shape_.channels + first / taps, tile.sums = sums + tap * step;
      pick_outer_tile<T>(size / taps, vectors)(tile);
    }
  }

  // The whole gradient of a block of filters, transposed a few taps at a time on its way to `out`.
  void store_sums(OuterTile<T> tile, std::int64_t band, std::int64_t vectors, std::int64_t filters, T* rows,
                  T* out) const {
    std::array<Spot, kRows> places{};
    for (std::int64_t k = 0; k < kRows; ++k) places[static_cast<std::size_t>(k)].out = k;
    const std::int64_t step = vectors * kW;
    tile.adds = false;
    each_run(vectors, [&](std::int64_t first, std::int64_t size) {
      sum_taps(tile, band, vectors, first, size, rows, step);
      for_runs(size, kRows, [&](std::int64_t k, std::int64_t count) {
        store_transposed<T>(rows + k * step, step, places.data(), count, out + first + k, filters, depth());
      });
    });
  }

  // Adds the blocks up, a tile of filters at a time.
  void add_up(const Context& context, T* partial, T* out) {
    const std::int64_t grain = grain_of(depth() * blocks_ * tile_start(1));
    over_ranges(context, shape_.groups * tiles(), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = tile_start(i % tiles()), filters = tile_start(i % tiles() + 1) - first;
        T* const from = partial + i / tiles() * width() * depth();
        T* const to = out + (i / tiles() * shape_.filters + first) * depth();
        if (by_filters_) {
          for (std::int64_t k = 0; k < depth(); ++k)
            add_blocks(from + k * width() + first, filters, from + k * width() + first);
          pack_transposed(from + first, width(), depth(), depth(), depth(), filters, to);
        } else {
          add_blocks(from + first * depth(), filters * depth(), to);
        }
      }
    });
  }

  void add_blocks(const T* from, std::int64_t count, T* to) {
    for (std::int64_t i = 0; i < count; ++i) {
      T sum = from[i];
      for (std::int64_t block = 1; block < blocks_; ++block) sum += from[block * sums() + i];
      to[i] = sum;
    }
  }

  const ConvShape shape_;
  const bool by_filters_;
  const ConvPlan<T> plan_;
  const bool grad_in_place_;
  bool visits_once_ = false;  // so that sums are complete when they leave the registers
  bool stages_once_ = false;  // for all parts
  bool apart_ = false;        // taps, each with the outputs that meet the image by it
  std::int64_t blocks_, parts_, together_;
  const T *grad_ = nullptr, *in_ = nullptr;
  std::array<Table, 2> tables_{};
  std::int64_t* offsets_ = nullptr;
};

ConvShape shape_of(const KernelCall& call, TapRanges& taps) {
  return conv_shape(call.in[1], call.in[0], call.attrs[0].dims().data(), call.attrs, false, taps);
}

bool is_empty(const KernelCall& call) { return call.in[0].numel() == 0 || call.in[1].numel() == 0; }

template <class T>
bool all_finite(const T* values, std::int64_t n) {
  return std::all_of(values, values + n, [](T value) { return std::isfinite(value); });
}

// Where lanes beside a tap's own met inf or NaN, 0 times that has spoilt sums: then once more, by filters,
// which reads nothing else.
template <class T>
void run_exactly(const Context& context, const ConvShape& shape, const T* grad, const T* in, T* out,
                 std::int64_t n) {
  if (const ConvWeightProduct<T> product(shape); product.pays()) return product.run(context, grad, in, out);
  WeightRun<T> usual(shape, WeightRun<T>::prefers_filters(shape));
  usual.run(context, grad, in, out);
  if (usual.reads_beside() && !all_finite(out, n)) WeightRun<T>(shape, true).run(context, grad, in, out);
}

template <class T>
void run_taps(const Context& whole, const KernelCall& call) {
  TapRanges taps;
  const ConvShape shape = shape_of(call, taps);
  const T *grad = call.in[0].as<const T>(), *in = call.in[1].as<const T>();
  T* const out = call.out[0].as<T>();
  const std::int64_t rows = call.out[0].numel() / taps.all(), n = rows * taps.count();
  if (!taps.is_part()) return run_exactly(whole, shape, grad, in, out, n);
  T* const part = reinterpret_cast<T*>(whole.scratch);
  Context context = whole;
  context.scratch += bytes_of<T>(n);
  run_exactly(context, shape, grad, in, part, n);
  spread_taps(whole, part, rows, taps, out);
}

void run_weight(const Context& context, const KernelCall& call) {
  const View& out = call.out[0];
  if (out.numel() == 0) return;
  const auto run = [&]<class T>(T) {
    if (is_empty(call))
      std::fill_n(out.as<T>(), out.numel(), T(0));
    else
      run_taps<T>(context, call);
  };
  out.dtype == Dtype::kFloat32 ? run(float{}) : run(double{});
}

template <class T>
std::size_t scratch_of(const ConvShape& shape, int threads) {
  if (const ConvWeightProduct<T> product(shape); product.pays()) return product.scratch(threads);
  const WeightRun<T> usual(shape, WeightRun<T>::prefers_filters(shape));
  const std::size_t again = usual.reads_beside() ? WeightRun<T>(shape, true).scratch(threads) : 0;
  return std::max(usual.scratch(threads), again);
}

std::size_t weight_scratch(const KernelCall& call, int threads) {
  if (call.out[0].numel() == 0 || is_empty(call)) return 0;
  TapRanges taps;
  const ConvShape shape = shape_of(call, taps);
  const auto bytes = [&]<class T>(T) {
    const std::size_t part =
        taps.is_part() ? bytes_of<T>(call.out[0].numel() / taps.all() * taps.count()) : 0;
    return part + scratch_of<T>(shape, threads);
  };
  return call.out[0].dtype == Dtype::kFloat32 ? bytes(float{}) : bytes(double{});
}

constexpr std::array<Kernel, 1> kKernels = {{{"convolution_weight", run_weight, weight_scratch}}};

}  // namespace

std::span<const Kernel> conv_weight_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
