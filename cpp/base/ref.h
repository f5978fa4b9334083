// Intrusive reference counting: the count lives in the object, the handle is one pointer. Counts are atomic,
// so handles may be copied and dropped from any thread; the objects themselves are not synchronised.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace unspool {

// Derive as `struct Node : RefCounted<Node>`; the last handle calls `Node::destroy(Node*)` when the count has
// become 0. A class may define it to return memory to a pool or to defer deep destruction to a worklist.
template <class Derived>
class RefCounted {
 public:
  RefCounted() noexcept = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() const noexcept {
    // A sole owner needs no atomic read-modify-write: nobody else can see the object.
    const bool is_sole_owner = count_.load(std::memory_order_acquire) == 1;
    if (is_sole_owner) count_.store(0, std::memory_order_relaxed);
    if (is_sole_owner || count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Derived::destroy(const_cast<Derived*>(static_cast<const Derived*>(this)));
    }
  }
  // The first reference to an object that nobody else has seen.
  void set_first_ref() const noexcept { count_.store(1, std::memory_order_relaxed); }
  std::uint32_t ref_count() const noexcept { return count_.load(std::memory_order_relaxed); }

  static void destroy(Derived* object) noexcept { delete object; }

 protected:
  ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> count_{0};
};

template <class T>
class Ref {
 public:
  Ref() noexcept = default;
  Ref(std::nullptr_t) noexcept {}
  explicit Ref(T* object) noexcept : object_(object) {
    if (object_) object_->add_ref();
  }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ~Ref() {
    if (object_) object_->drop_ref();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.object_ == b.object_; }

  // Gives up ownership without dropping the count; the counterpart is `adopt`.
  T* release() noexcept { return std::exchange(object_, nullptr); }
  static Ref adopt(T* object) noexcept {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  // The first handle of an object that was just made: counted without an atomic read-modify-write.
  static Ref of_new(T* object) noexcept {
    object->set_first_ref();
    return adopt(object);
  }

 private:
  T* object_ = nullptr;
};

}  // namespace unspool
