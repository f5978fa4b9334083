// A frame is a node and the consumer that it waits for. Calls that would go too deep return at once instead;
// on the way out every frame between is put on a list, and each is taken up again from there when what it
// waits for is done. So nothing but the length of that list grows with the depth of the tape.
#include "exec/recursion.h"

#include <algorithm>

#include "base/machine_stack.h"

namespace unspool::exec {
namespace {

class Recursion {
 public:
  explicit Recursion(Unwinder& unwinder);
  // Visits the node, and before it everything that it waits for.
  void settle(std::size_t node);

 private:
  struct Frame {
    std::uint32_t node;
    std::uint32_t next;  // the consumer to look at, as an index into consumers_
  };

  void find_consumers();
  bool descend(Frame frame);

  Unwinder& unwinder_;
  std::vector<std::uint32_t> first_consumer_;  // of each node, in consumers_: the latest consumer first
  std::vector<std::uint32_t> consumers_;
  std::vector<bool> is_visited_;
  std::vector<Frame> moved_;  // off the machine stack, the deepest first
  StackRoom room_;
};

Recursion::Recursion(Unwinder& unwinder) : unwinder_(unwinder), is_visited_(unwinder.size()) {
  find_consumers();
}

void Recursion::find_consumers() {
  const std::size_t count = unwinder_.size();
  first_consumer_.assign(count + 1, 0);
  const auto for_each_edge = [&](auto&& f) {
    for (std::size_t i = 0; i < count; ++i) {
      for (const Unwinder::Way& way : unwinder_.ways(i)) {
        if (way.leads()) f(i, std::size_t{way.node});
      }
    }
  };
  for_each_edge([&](std::size_t, std::size_t target) { ++first_consumer_[target + 1]; });
  for (std::size_t i = 0; i < count; ++i) first_consumer_[i + 1] += first_consumer_[i];
  consumers_.resize(first_consumer_[count]);
  std::vector<std::uint32_t> free(first_consumer_.begin(), first_consumer_.end() - 1);
  for_each_edge([&](std::size_t consumer, std::size_t target) {
    consumers_[free[target]++] = static_cast<std::uint32_t>(consumer);
  });
}

// False when the machine stack is used up: what is left of the frame is then in moved_.
bool Recursion::descend(Frame frame) {
  if (room_.is_used_up()) {
    moved_.push_back(frame);
    return false;
  }
  for (; frame.next < first_consumer_[frame.node + 1]; ++frame.next) {
    const std::uint32_t consumer = consumers_[frame.next];
    if (is_visited_[consumer]) continue;
    if (!descend({consumer, first_consumer_[consumer]})) {
      moved_.push_back(frame);
      return false;
    }
  }
  is_visited_[frame.node] = true;
  unwinder_.visit(frame.node);
  return true;
}

void Recursion::settle(std::size_t node) {
  if (is_visited_[node]) return;
  std::vector<Frame> heap{{static_cast<std::uint32_t>(node), first_consumer_[node]}};
  while (!heap.empty()) {
    const Frame frame = heap.back();
    heap.pop_back();
    if (descend(frame)) continue;
    heap.insert(heap.end(), moved_.rbegin(), moved_.rend());
    moved_.clear();
  }
}

}  // namespace

void unwind_recursively(Unwinder& unwinder) {
  unwinder.keep_order();
  Recursion recursion(unwinder);
  // Where cotangents end: everything else lies on the way there.
  for (std::size_t i = 0; i < unwinder.size(); ++i) {
    if (unwinder.is_end(i)) recursion.settle(i);
  }
}

}  // namespace unspool::exec
