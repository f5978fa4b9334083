// The bytes behind one or more tensors, how they are given back, and the version counter by which the tape
// notices that a value it saved was overwritten.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ref.h"

namespace unspool {

struct Device {
  // All but the first can only be named.
  enum class Kind : std::uint8_t { kCpu, kCuda, kMeta, kMps, kXpu, kXla, kMtia, kHpu, kIpu, kVulkan, kMaia };
  Kind kind = Kind::kCpu;
  std::int8_t index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

class Storage : public RefCounted<Storage> {
 public:
  using Deleter = void (*)(void* owner);

  // Uninitialised memory of our own allocator, 64-byte aligned, header and data in one block.
  static Ref<Storage> allocate(std::size_t bytes);
  // Memory owned by somebody else (NumPy, DLPack); `deleter(owner)` gives it back.
  static Ref<Storage> borrow(void* data, std::size_t bytes, bool writable, void* owner, Deleter deleter);
  // The same memory under a version counter of its own, for writing past the tape.
  static Ref<Storage> counted_apart(const Ref<Storage>& storage);

  void* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }
  Device device() const noexcept { return device_; }
  bool writable() const noexcept { return writable_; }

  // Nobody else can see the memory, so that it may be used for something else.
  bool is_sole() const noexcept { return ref_count() == 1 && !deleter_; }
  bool overlaps(const Storage& other) const noexcept {
    const auto *begin = static_cast<const std::byte*>(data_),
               *start = static_cast<const std::byte*>(other.data_);
    return begin == start || (begin < start + other.bytes_ && start < begin + bytes_);
  }

  // Grows by one with every in-place change; `writer` names the operation that made the last one.
  std::uint32_t version() const noexcept { return version_; }
  const char* writer() const noexcept { return writer_; }
  void mark_written(const char* writer) noexcept {
    ++version_;
    writer_ = writer;
  }

  void set_writer(const char* writer) noexcept { writer_ = writer; }

  // A number by which somebody who follows storages knows this one again; 0 means nobody. The death of a
  // storage with a tag is told to `on_tagged_death`, from whichever thread it dies on.
  std::uint64_t tag() const noexcept { return tag_; }
  void set_tag(std::uint64_t tag) noexcept { tag_ = tag; }
  static inline void (*on_tagged_death)(std::uint64_t tag) = nullptr;

  static void destroy(Storage* storage) noexcept;

 private:
  Storage() = default;
  ~Storage() = default;

  std::uint32_t version_ = 0;
  Device device_;
  bool writable_ = true;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  const char* writer_ = nullptr;
  void* owner_ = nullptr;
  Deleter deleter_ = nullptr;
  std::uint64_t tag_ = 0;
};

}  // namespace unspool
