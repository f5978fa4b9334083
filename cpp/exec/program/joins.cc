// One walk: each slice is followed through the sums that its whole goes through.
#include "exec/program/joins.h"

#include <algorithm>

#include "exec/program/uses.h"
#include "ops/arithmetic.h"
#include "ops/attention.h"
#include "ops/shape.h"

namespace unspool::exec {
namespace {

// A part of the sum: the instruction that makes a whole tensor of it, and where it lies in that.
struct Piece {
  std::size_t at;
  std::int64_t start, count;
};

// The strides with which `place`, some of its dimensions split, has the given sizes; empty where it has not.
Dims strides_of_split(const Dims& sizes, const Place& place) {
  Dims strides(sizes.size(), 0);
  std::size_t d = sizes.size();
  for (std::size_t p = place.sizes.size(); p-- > 0;) {
    std::int64_t left = place.sizes[p], stride = place.strides[p];
    while (left != 1 && d > 0 && sizes[d - 1] > 0 && left % sizes[d - 1] == 0) {
      strides[--d] = stride;
      stride *= sizes[d];
      left /= sizes[d];
    }
    if (left != 1) return {};
  }
  while (d > 0 && sizes[d - 1] == 1) --d;
  return d == 0 ? strides : Dims();
}

class Join {
 public:
  Join(const Recording& recording, const Uses& uses) : recording_(recording), uses_(uses) {}

  // Follows the slice made whole by instruction `at` from sum to sum; false where the parts that are added up
  // do not fill the whole, or are not all there is.
  bool follow(std::size_t at) {
    if (!take_part(at)) return false;
    for (whole_ = recording_.instructions[at].out[0]; !fills();) {
      const std::size_t sum = uses_.next(whole_.buffer, at);
      if (sum == uses_.end() || !take_sum(sum)) return false;
      at = sum;
    }
    return !sums_.empty();
  }

  // Each part goes to its place, with a zero added as the sums would have done: it makes 0 of -0.
  void write(Recording& recording, std::vector<bool>& is_dropped) const {
    for (const Piece& part : parts_) {
      Instruction& instruction = recording.instructions[part.at];
      Place place = whole_;
      place.sizes[dim_] = part.count;
      place.offset += part.start * whole_.strides[dim_];
      if (is_written_there(recording, part.at, place)) {
        is_dropped[part.at] = true;
        continue;
      }
      instruction.op = &ops::op_of<ops::Add>;
      instruction.compute = whole_.dtype;
      instruction.in.resize(1);
      instruction.in.emplace_back().number = ops::Operand(0.0);
      instruction.attrs = {ops::Attr(1.0)};
      instruction.out = {place};
    }
    for (const std::size_t sum : sums_) is_dropped[sum] = true;
  }

 private:
  // Lets the instruction that made the part write it to `place` itself: attention, whose cotangents of
  // queries, keys and values may lie anywhere and are never -0.
  bool is_written_there(Recording& recording, std::size_t at, const Place& place) const {
    const Place part = recording.instructions[at].in[0].place;
    const std::size_t writer = uses_.first(part.buffer);
    if (!is_temporary(part) || writer >= at ||
        recording.instructions[writer].op != &ops::op_of<ops::AttentionBackward>)
      return false;
    if (uses_.next(part.buffer, writer) != at || uses_.next(part.buffer, at) != uses_.end()) return false;
    for (Place& out : recording.instructions[writer].out) {
      const bool is_all = out.buffer == part.buffer && out.is_contiguous() && part.is_contiguous() &&
                          numel(out.sizes) == numel(part.sizes);
      if (!is_all) continue;
      const Dims strides = strides_of_split(out.sizes, place);
      if (strides.size() != out.sizes.size()) return false;
      out = {place.buffer, place.offset, out.sizes, strides, place.dtype};
      return true;
    }
    return false;
  }

  // Whether the instruction is the first to use its result's memory, and fills it.
  bool is_fresh(std::size_t at) const {
    const Place& out = recording_.instructions[at].out[0];
    return out.is_contiguous() && uses_.first(out.buffer) == at &&
           static_cast<std::size_t>(numel(out.sizes)) * size_of(out.dtype) ==
               recording_.buffers[out.buffer].bytes;
  }
  bool is_temporary(const Place& place) const {
    return recording_.buffers[place.buffer].kind == Buffer::Kind::kTemporary;
  }

  bool take_part(std::size_t at) {
    const Instruction& instruction = recording_.instructions[at];
    if (instruction.op != &ops::op_of<ops::SliceBackward> || !is_floating(instruction.out[0].dtype))
      return false;
    const auto dim = static_cast<std::size_t>(instruction.attrs[1].integer());
    const std::int64_t count = instruction.in[0].place.sizes[dim];
    const bool is_dense = count == 1 || instruction.attrs[3].integer() == 1;
    if (!is_dense || !is_fresh(at) || (!parts_.empty() && dim != dim_)) return false;
    dim_ = dim;
    parts_.push_back({at, instruction.attrs[2].integer(), count});
    return true;
  }

  // The sum of what there is so far and one part more, which is read nowhere else.
  bool take_sum(std::size_t at) {
    const Instruction& sum = recording_.instructions[at];
    if (sum.op != &ops::op_of<ops::Add> || sum.attrs[0].number() != 1) return false;
    const bool is_first = sum.in[0].place == whole_;
    if (!(sum.in[is_first ? 0 : 1].place == whole_)) return false;
    const Place& other = sum.in[is_first ? 1 : 0].place;
    if (other.buffer == kNoBuffer || other.buffer == whole_.buffer || !is_temporary(other)) return false;
    const std::size_t writer = uses_.first(other.buffer);
    if (writer >= at || uses_.next(other.buffer, writer) != at || uses_.next(other.buffer, at) != uses_.end())
      return false;
    if (!(recording_.instructions[writer].out[0] == other) || !take_part(writer)) return false;
    const Place& out = sum.out[0];
    if (!(out == whole_)) {
      const bool is_last_use = is_temporary(whole_) && uses_.next(whole_.buffer, at) == uses_.end();
      if (!is_last_use || !is_fresh(at) || out.dtype != whole_.dtype || out.sizes != whole_.sizes)
        return false;
      whole_ = out;
    }
    sums_.push_back(at);
    return true;
  }

  // Whether the parts lie side by side from end to end.
  bool fills() const {
    std::vector<Piece> sorted = parts_;
    std::sort(sorted.begin(), sorted.end(), [](const Piece& a, const Piece& b) { return a.start < b.start; });
    std::int64_t next = 0;
    for (const Piece& part : sorted) {
      if (part.start != next) return false;
      next += part.count;
    }
    return next == whole_.sizes[dim_];
  }

  const Recording& recording_;
  const Uses& uses_;
  std::size_t dim_ = 0;
  std::vector<Piece> parts_;
  Place whole_;  // the sum so far
  std::vector<std::size_t> sums_;
};

}  // namespace

void join_slices(Recording& recording) {
  const Uses uses(recording);
  std::vector<bool> is_dropped(recording.instructions.size());
  for (std::size_t at = 0; at < recording.instructions.size(); ++at) {
    if (recording.instructions[at].op != &ops::op_of<ops::SliceBackward>) continue;
    Join join(recording, uses);
    if (join.follow(at)) join.write(recording, is_dropped);
  }
  std::size_t next = 0;
  std::erase_if(recording.instructions, [&](const Instruction&) { return is_dropped[next++]; });
}

}  // namespace unspool::exec
