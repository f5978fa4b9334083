// A limit for the bytes that the allocator has handed out: before it is passed, values that can be computed
// again are dropped.
#pragma once

#include <cstddef>
#include <vector>

#include "exec/recompute/replay_recorder.h"

namespace unspool::exec {

// In force on the thread that made it, for its lifetime.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::size_t bytes);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  static void make_room(std::size_t bytes);
  void drop_until_fits(std::size_t bytes);
  std::vector<Value*> candidates() const;

  std::size_t bytes_;
  ReplayRecorder recorder_;
  ops::Emitter* emitter_before_;
  MemoryLimit* limit_before_;
  Ref<Region> region_;
};

}  // namespace unspool::exec
