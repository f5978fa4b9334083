// Ref: ownership through copies, moves and threads, and the hook that a class may put in place of delete.
#include "base/ref.h"

#include <catch2/catch.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace unspool {
namespace {

struct Node : RefCounted<Node> {
  explicit Node(std::atomic<int>& counter) : living(counter) { ++living; }
  ~Node() { --living; }
  std::atomic<int>& living;
  Ref<Node> next;
};

struct Pooled : RefCounted<Pooled> {
  static void destroy(Pooled* object) noexcept { object->returned = true; }
  bool returned = false;
};

TEST_CASE("the last handle destroys the object") {
  std::atomic<int> living{0};
  {
    Ref<Node> a(new Node(living));
    CHECK(a->ref_count() == 1);
    Ref<Node> b = a;
    CHECK(a->ref_count() == 2);
    CHECK(a == b);
    Ref<Node> c = std::move(b);
    CHECK_FALSE(b);
    CHECK(a->ref_count() == 2);
    a = nullptr;
    CHECK(living == 1);
    c = c.get() ? c : a;
    CHECK(c->ref_count() == 1);
  }
  CHECK(living == 0);
}

TEST_CASE("assignment to itself and to its own successor is safe") {
  std::atomic<int> living{0};
  Ref<Node> head(new Node(living));
  head->next = Ref<Node>(new Node(living));
  auto& alias = head;
  head = alias;
  CHECK(living == 2);
  head = head->next;
  CHECK(living == 1);
  head = std::move(head->next);
  CHECK(living == 0);
}

TEST_CASE("the first handle of a new object counts as any other") {
  std::atomic<int> living{0};
  {
    const auto a = Ref<Node>::of_new(new Node(living));
    CHECK(a->ref_count() == 1);
    const Ref<Node> b = a;
    CHECK(a->ref_count() == 2);
  }
  CHECK(living == 0);
}

TEST_CASE("release and adopt carry one count across") {
  std::atomic<int> living{0};
  Ref<Node> a(new Node(living));
  Node* raw = a.release();
  CHECK_FALSE(a);
  CHECK(raw->ref_count() == 1);
  const Ref<Node> b = Ref<Node>::adopt(raw);
  CHECK(b->ref_count() == 1);
  CHECK(living == 1);
}

TEST_CASE("a class may keep its objects instead of deleting them") {
  Pooled object;
  {
    const Ref<Pooled> a(&object);
    const Ref<Pooled> b = a;
    CHECK_FALSE(object.returned);
  }
  CHECK(object.returned);
  CHECK(object.ref_count() == 0);
  // From the pool it starts anew, by the fast path of a sole owner this time.
  object.returned = false;
  {
    const Ref<Pooled> again(&object);
  }
  CHECK(object.returned);
  CHECK(object.ref_count() == 0);
}

TEST_CASE("handles may be copied and dropped by many threads") {
  std::atomic<int> living{0};
  std::vector<std::thread> threads;
  {
    const Ref<Node> shared(new Node(living));
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([copy = shared] {
        for (int i = 0; i < 20000; ++i) {
          const Ref<Node> other = copy;
          const Ref<Node> third = other;
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(living == 0);
}

}  // namespace
}  // namespace unspool
