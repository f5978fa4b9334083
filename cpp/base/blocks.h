// Memory of small objects that come and go all the time, tensor headers and nodes of the tape: kept by each
// thread in short lists by size, without locks.
#pragma once

#include <cstddef>

namespace unspool {

[[nodiscard]] void* allocate_block(std::size_t bytes);
// `bytes` as in allocate_block. On any thread.
void deallocate_block(void* block, std::size_t bytes) noexcept;

}  // namespace unspool
