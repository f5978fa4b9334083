// Which instructions go together, how their common shape is cut, and the loop.
#include "exec/program/tiles.h"

#include <algorithm>

#include "exec/kernel_map.h"
#include "ops/record.h"

namespace unspool::exec {
namespace {

constexpr std::int64_t kLeastElements = 4096;
constexpr std::size_t kMostInstructions = 32;  // in a range

bool is_full(const Place& place, const Dims& sizes) { return place.sizes == sizes && place.is_contiguous(); }

// Whether the instruction alone could go tile by tile.
bool is_tileable(const Instruction& instruction) {
  if (instruction.op->record.kind != ops::Kind::kElementwise || instruction.out.size() != 1) return false;
  const Place& out = instruction.out[0];
  return is_full(out, out.sizes) && numel(out.sizes) >= kLeastElements && !kernel_of(*instruction.op).scratch;
}

// Whether every buffer that the range changes is seen by it in one way only.
bool is_consistent(std::span<const Instruction> range) {
  for (const Instruction& writer : range) {
    const Place& written = writer.out[0];
    for (const Instruction& other : range) {
      if (other.out[0].buffer == written.buffer && !(other.out[0] == written)) return false;
      for (const Argument& argument : other.in) {
        if (argument.is_tensor() && argument.place.buffer == written.buffer && !(argument.place == written))
          return false;
      }
    }
  }
  return true;
}

// The strides with which the operand walks over `sizes`: 0 where it repeats itself.
Dims broadcast_strides(const Place& place, const Dims& sizes) {
  Dims strides(sizes.size(), 0);
  const std::size_t missing = sizes.size() - place.sizes.size();
  for (std::size_t d = 0; d < place.sizes.size(); ++d)
    strides[missing + d] = place.sizes[d] == 1 && sizes[missing + d] != 1 ? 0 : place.strides[d];
  return strides;
}

// The common shape of a range, with dimensions merged from the front as far as all operands allow.
struct Walk {
  Dims sizes;
  std::vector<Dims> strides;  // per operand; empty for numbers
};

Walk walk_of(std::span<const Instruction> range) {
  Walk walk{range[0].out[0].sizes, {}};
  const Dims sizes = walk.sizes;
  for (const Instruction& instruction : range) {
    for (const Argument& argument : instruction.in)
      walk.strides.push_back(argument.is_tensor() ? broadcast_strides(argument.place, sizes) : Dims());
    walk.strides.push_back(instruction.out[0].strides);
  }
  const auto drop_front = [](Dims& dims) { dims = Dims(dims.begin() + 1, dims.end()); };
  while (walk.sizes.size() > 1) {
    const auto merges = [&](const Dims& strides) {
      return strides.empty() || strides[0] == strides[1] * walk.sizes[1] || walk.sizes[0] == 1;
    };
    if (!std::all_of(walk.strides.begin(), walk.strides.end(), merges)) break;
    walk.sizes[1] *= walk.sizes[0];
    drop_front(walk.sizes);
    for (Dims& strides : walk.strides) {
      if (!strides.empty()) drop_front(strides);
    }
  }
  return walk;
}

std::int64_t row_elements(const Walk& walk) { return numel(walk.sizes) / walk.sizes[0]; }

std::int64_t rows_of_tile(const Walk& walk) {
  const std::int64_t row_bytes = row_elements(walk) * static_cast<std::int64_t>(sizeof(float));
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(kTileBytes) / row_bytes, 1, walk.sizes[0]);
}

std::span<const Instruction> part(const Recording& recording, Range range) {
  return std::span(recording.instructions).subspan(range.first, range.count);
}

}  // namespace

std::vector<Range> tile_ranges(const Recording& recording, bool fuses) {
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < recording.instructions.size(); ++i) {
    const Instruction& instruction = recording.instructions[i];
    if (fuses && !ranges.empty() && ranges.back().count < kMostInstructions && is_tileable(instruction)) {
      const Range longer{ranges.back().first, ranges.back().count + 1};
      const Instruction& before = recording.instructions[i - 1];
      const bool is_alike = is_tileable(before) && before.out[0].sizes == instruction.out[0].sizes;
      if (is_alike && is_consistent(part(recording, longer))) {
        ranges.back() = longer;
        continue;
      }
    }
    ranges.push_back({i, 1});
  }
  return ranges;
}

std::vector<bool> tile_locals(const Recording& recording, std::span<const Range> ranges) {
  constexpr std::size_t kNowhere = ~std::size_t{0}, kSeveral = kNowhere - 1;
  std::vector<std::size_t> home(recording.buffers.size(), kNowhere);
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    const auto use = [&](BufferId id) {
      const std::size_t here = ranges[r].count > 1 ? r : kSeveral;
      home[id] = home[id] == kNowhere || home[id] == here ? here : kSeveral;
    };
    for (const Instruction& instruction : part(recording, ranges[r])) visit_buffers(instruction, use, use);
  }
  std::vector<bool> locals(recording.buffers.size());
  for (std::size_t id = 0; id < locals.size(); ++id) {
    locals[id] = home[id] < kSeveral && recording.buffers[id].kind == Buffer::Kind::kTemporary;
  }
  return locals;
}

std::size_t TileGroup::local_bytes(const Recording& recording, Range range, Dtype dtype) {
  const Walk walk = walk_of(part(recording, range));
  return static_cast<std::size_t>(rows_of_tile(walk) * row_elements(walk)) * size_of(dtype);
}

TileGroup::TileGroup(const Recording& recording, Range range, std::span<const View> views,
                     const std::vector<bool>& locals, kernels::Fault* fault)
    : fault_(fault) {
  const std::span<const Instruction> instructions = part(recording, range);
  const Walk walk = walk_of(instructions);
  rows_ = rows_of_tile(walk);
  tiles_ = (walk.sizes[0] + rows_ - 1) / rows_;
  full_ = tail_ = walk.sizes;
  full_[0] = rows_;
  tail_[0] = walk.sizes[0] - (tiles_ - 1) * rows_;
  const std::size_t tile_elements = static_cast<std::size_t>(rows_ * row_elements(walk));
  for (const Instruction& instruction : instructions) {
    steps_.push_back({kernel_of(*instruction.op).run, instruction.attrs, operands_.size(),
                      instruction.in.size(), instruction.out.size()});
    const auto add = [&](const Place* place) {
      Operand& operand = operands_.emplace_back();
      const Dims& strides = walk.strides[operands_.size() - 1];
      operand.view = views[operands_.size() - 1];
      operand.is_number = !place;
      if (!place) return;
      operand.strides = strides;
      operand.step = strides[0] * static_cast<std::ptrdiff_t>(size_of(place->dtype));
      if (locals[place->buffer]) {
        operand.local = tile_elements * size_of(place->dtype);
        operand.step = 0;
      }
    };
    for (const Argument& argument : instruction.in) add(argument.is_tensor() ? &argument.place : nullptr);
    for (const Place& place : instruction.out) add(&place);
  }
  for (Operand& operand : operands_) {
    if (operand.is_number) continue;
    operand.view.ndim = static_cast<std::int32_t>(full_.size());
    operand.view.strides = operand.strides.data();
    operand.view.contiguous = is_contiguous(full_, operand.strides);
  }
}

void TileGroup::take_addresses(std::span<const View> views) {
  for (std::size_t i = 0; i < operands_.size(); ++i) operands_[i].view.data = views[i].data;
}

void TileGroup::run_tile(std::int64_t tile, std::size_t slot) const {
  const Dims& sizes = tile + 1 < tiles_ ? full_ : tail_;
  kernels::Context context;
  for (const Step& step : steps_) {
    SmallVector<View, 6> views;
    for (std::size_t i = 0; i < step.inputs + step.outputs; ++i) {
      const Operand& operand = operands_[step.first + i];
      View view = operand.view;
      if (!operand.is_number) {
        view.sizes = sizes.data();
        view.data = static_cast<std::byte*>(view.data) + tile * rows_ * operand.step +
                    static_cast<std::ptrdiff_t>(slot * operand.local);
      }
      views.push_back(view);
    }
    const std::span<const View> all(views.data(), views.size());
    step.run(context, {all.first(step.inputs), all.last(step.outputs), step.attrs, fault_});
  }
}

void TileGroup::run(const kernels::Context& context) const {
  const std::int64_t slots = std::min<std::int64_t>(std::max(context.threads, 1), tiles_);
  // Elements do not know of each other, so their bits do not depend on how tiles are dealt out.
  context.parallel(slots, [&](std::int64_t slot) {
    const std::int64_t first = tiles_ * slot / slots, end = tiles_ * (slot + 1) / slots;
    const auto run_tiles = [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t tile = from; tile < to; ++tile) run_tile(tile, static_cast<std::size_t>(slot));
    };
    if (!context.from_end) return run_tiles(first, end);
    // A few at a time in their order, because each asks for what lies behind it.
    constexpr std::int64_t kRun = 8;
    for (std::int64_t to = end; to > first; to -= kRun) run_tiles(std::max(first, to - kRun), to);
  });
}

}  // namespace unspool::exec
