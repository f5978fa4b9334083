// A vector whose first N elements live inside the object, for shapes, argument lists and other short
// sequences on hot paths. Elements may be any nothrow-movable type. Not a full std::vector: only what the
// library uses.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace unspool {

template <class T, std::size_t N>
class SmallVector {
  static_assert(N > 0 && std::is_nothrow_move_constructible_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() noexcept : data_(inline_data()) {}
  explicit SmallVector(std::size_t count, const T& value = T()) : SmallVector() { resize(count, value); }
  SmallVector(std::initializer_list<T> values) : SmallVector(values.begin(), values.end()) {}
  SmallVector(const SmallVector& other) : SmallVector() { copy(other); }
  SmallVector(SmallVector&& other) noexcept : SmallVector() { take(other); }
  explicit SmallVector(std::span<const T> values) : SmallVector(values.begin(), values.end()) {}
  template <class It>
    requires(!std::is_integral_v<It>)
  SmallVector(It first, It last) : SmallVector() {
    append(first, last);
  }
  ~SmallVector() { release(); }

  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) {
      clear();
      copy(other);
    }
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this != &other) {
      release();
      data_ = inline_data();
      size_ = 0;
      capacity_ = N;
      take(other);
    }
    return *this;
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  std::size_t size() const noexcept { return size_; }
  std::int64_t ssize() const noexcept { return static_cast<std::int64_t>(size_); }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T& front() noexcept { return data_[0]; }
  const T& front() const noexcept { return data_[0]; }
  T& back() noexcept { return data_[size_ - 1]; }
  const T& back() const noexcept { return data_[size_ - 1]; }

  void push_back(T value) { emplace_back(std::move(value)); }
  template <class... Args>
  T& emplace_back(Args&&... args) {
    if (size_ == capacity_) return emplace_growing(std::forward<Args>(args)...);
    T* place = ::new (static_cast<void*>(data_ + size_)) T(std::forward<Args>(args)...);
    ++size_;
    return *place;
  }
  void pop_back() noexcept { data_[--size_].~T(); }
  void clear() noexcept {
    std::destroy(begin(), end());
    size_ = 0;
  }
  void reserve(std::size_t count) {
    if (count > capacity_) grow(count);
  }
  // By value, because the argument may be an element of this vector and growing moves those.
  void resize(std::size_t count, T value = T()) {
    reserve(count);
    while (size_ > count) pop_back();
    std::uninitialized_fill(end(), begin() + count, value);
    size_ = static_cast<std::uint32_t>(count);
  }
  template <class It>
  void assign(It first, It last) {
    clear();
    append(first, last);
  }
  template <class It>
  void append(It first, It last) {
    for (; first != last; ++first) emplace_back(*first);
  }
  void insert(std::size_t position, T value) {
    emplace_back(std::move(value));
    std::rotate(begin() + position, end() - 1, end());
  }
  void erase(std::size_t position) {
    std::move(begin() + position + 1, end(), begin() + position);
    pop_back();
  }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a.data_[i] == b.data_[i])) return false;
    }
    return true;
  }

 private:
  T* inline_data() noexcept { return reinterpret_cast<T*>(inline_); }
  const T* inline_data() const noexcept { return reinterpret_cast<const T*>(inline_); }
  bool is_inline() const noexcept { return data_ == inline_data(); }

  // The new element is made before the others move: the arguments may refer to one of them.
  template <class... Args>
  [[gnu::noinline]] T& emplace_growing(Args&&... args) {
    const std::size_t capacity = 2 * std::size_t{capacity_};
    T* fresh = std::allocator<T>().allocate(capacity);
    T* place = fresh + size_;
    try {
      ::new (static_cast<void*>(place)) T(std::forward<Args>(args)...);
    } catch (...) {
      std::allocator<T>().deallocate(fresh, capacity);
      throw;
    }
    move_to(fresh, capacity);
    ++size_;
    return *place;
  }
  void grow(std::size_t needed) {
    const std::size_t capacity = std::max<std::size_t>(needed, 2 * std::size_t{capacity_});
    move_to(std::allocator<T>().allocate(capacity), capacity);
  }
  void move_to(T* fresh, std::size_t capacity) noexcept {
    std::uninitialized_move(begin(), end(), fresh);
    const std::size_t size = size_;
    release();
    data_ = fresh;
    size_ = static_cast<std::uint32_t>(size);
    capacity_ = static_cast<std::uint32_t>(capacity);
  }
  void release() noexcept {
    std::destroy(begin(), end());
    if (!is_inline()) std::allocator<T>().deallocate(data_, capacity_);
  }
  // Few elements that are plain bytes are copied all together, also the places that hold none: a loop over
  // them becomes a call of memcpy.
  static constexpr bool kIsShort = std::is_trivially_copyable_v<T> && N * sizeof(T) <= 64;
  void copy_short(const SmallVector& other) noexcept {
    if (other.size_ == 0) return;
    std::memcpy(static_cast<void*>(data_), other.data_, N * sizeof(T));
    size_ = other.size_;
  }
  [[gnu::noinline, gnu::cold]] void copy_long(const SmallVector& other) {
    append(other.begin(), other.end());
  }
  // Precondition: *this is empty.
  void copy(const SmallVector& other) {
    if constexpr (kIsShort) {
      if (other.size_ <= N) return copy_short(other);
      copy_long(other);
    } else {
      append(other.begin(), other.end());
    }
  }
  // Precondition: *this is empty and inline.
  void take(SmallVector& other) noexcept {
    if (other.is_inline()) {
      if constexpr (kIsShort) {
        copy_short(other);
      } else {
        std::uninitialized_move(other.begin(), other.end(), data_);
        size_ = other.size_;
        std::destroy(other.begin(), other.end());
      }
      other.size_ = 0;
    } else {
      data_ = std::exchange(other.data_, other.inline_data());
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, static_cast<std::uint32_t>(N));
    }
  }

  T* data_;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = N;
  alignas(T) std::byte inline_[N * sizeof(T)];
};

}  // namespace unspool
