// Which sanitizer watches this build. Memory kept for later would hide uses after the end from the address
// sanitizer, and its own allocator may hang in the child of a process that had threads when it forked.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define UNSPOOL_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNSPOOL_ADDRESS_SANITIZER 1
#endif
#endif
#if !defined(UNSPOOL_ADDRESS_SANITIZER)
#define UNSPOOL_ADDRESS_SANITIZER 0
#endif

namespace unspool {

inline constexpr bool kAddressSanitizer = UNSPOOL_ADDRESS_SANITIZER != 0;

}  // namespace unspool
