// All operations in one list, in the order of the families. An operation's place in it is its id.
#pragma once

#include <span>
#include <string_view>

#include "ops/record.h"

namespace unspool::ops {

std::span<const Op* const> registry();

// The operation whose record has this unique name, or null.
const Op* find_op(std::string_view name);

}  // namespace unspool::ops
