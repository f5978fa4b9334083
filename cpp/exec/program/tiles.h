// Runs of element-wise instructions that go through memory together: each takes a tile that fits the
// first-level cache, then the next instruction takes the same tile, so that what lies between them never
// leaves the cache.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "exec/program/recording.h"
#include "kernels/kernel.h"

namespace unspool::exec {

// Instructions [first, first + count) of a recording.
struct Range {
  std::size_t first = 0;
  std::size_t count = 1;
};

// The recording cut into ranges: those with more than one instruction can go tile by tile.
std::vector<Range> tile_ranges(const Recording& recording, bool fuses);

// Temporaries that live inside of one such range only: they need the memory of a tile for each thread.
std::vector<bool> tile_locals(const Recording& recording, std::span<const Range> ranges);

inline constexpr std::size_t kTileBytes = 16384;

class TileGroup {
 public:
  // `views` are the operands and results of all instructions of the range, in order; `locals` are buffers in
  // tile memory. Kernels report to `fault`.
  TileGroup(const Recording& recording, Range range, std::span<const View> views,
            const std::vector<bool>& locals, kernels::Fault* fault);

  void run(const kernels::Context& context) const;
  // Bytes of a local's memory for one thread.
  static std::size_t local_bytes(const Recording& recording, Range range, Dtype dtype);
  // To be called when addresses have changed.
  void take_addresses(std::span<const View> views);

 private:
  struct Operand {
    View view;  // over a whole tile
    Dims strides;
    std::ptrdiff_t step;    // bytes from one row to the next; 0 for what all rows share
    std::size_t local = 0;  // bytes of one thread's tile, for what is local
    bool is_number = false;
  };
  struct Step {
    void (*run)(const kernels::Context&, const kernels::KernelCall&);
    std::span<const ops::Attr> attrs;
    std::size_t first, inputs, outputs;  // among the operands
  };

  void run_tile(std::int64_t tile, std::size_t slot) const;

  std::vector<Operand> operands_;
  std::vector<Step> steps_;
  Dims full_, tail_;  // sizes of a tile, and of the last one
  std::int64_t rows_ = 0, tiles_ = 0;
  kernels::Fault* fault_;
};

}  // namespace unspool::exec
