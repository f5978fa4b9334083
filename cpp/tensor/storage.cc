// Where storage headers live: in front of their own data, or alone for borrowed memory.
#include "tensor/storage.h"

#include <new>

#include "tensor/allocator.h"

namespace unspool {
namespace {

constexpr std::size_t kHeaderBytes = 64;  // keeps the data that follows on a cache line of its own
static_assert(sizeof(Storage) <= kHeaderBytes);

void give_back(void* storage) { static_cast<Storage*>(storage)->drop_ref(); }

}  // namespace

Ref<Storage> Storage::allocate(std::size_t bytes) {
  void* block = unspool::allocate(kHeaderBytes + bytes);
  auto* storage = ::new (block) Storage();
  storage->data_ = static_cast<std::byte*>(block) + kHeaderBytes;
  storage->bytes_ = bytes;
  return Ref<Storage>::of_new(storage);
}

Ref<Storage> Storage::borrow(void* data, std::size_t bytes, bool writable, void* owner, Deleter deleter) {
  auto* storage = ::new (unspool::allocate(kHeaderBytes)) Storage();
  storage->data_ = data;
  storage->bytes_ = bytes;
  storage->writable_ = writable;
  storage->owner_ = owner;
  storage->deleter_ = deleter;
  return Ref<Storage>::of_new(storage);
}

Ref<Storage> Storage::counted_apart(const Ref<Storage>& storage) {
  // Of several that share memory none holds another: all hold the first, so that no chain can form.
  Storage* const first =
      storage->deleter_ == give_back ? static_cast<Storage*>(storage->owner_) : storage.get();
  first->add_ref();
  Ref<Storage> apart = borrow(first->data_, first->bytes_, first->writable_, first, give_back);
  apart->device_ = first->device_;
  return apart;
}

void Storage::destroy(Storage* storage) noexcept {
  if (storage->tag_) on_tagged_death(storage->tag_);
  std::size_t block_bytes = kHeaderBytes + storage->bytes_;
  if (storage->deleter_) {
    storage->deleter_(storage->owner_);
    block_bytes = kHeaderBytes;
  }
  storage->~Storage();
  unspool::deallocate(storage, block_bytes);
}

}  // namespace unspool
