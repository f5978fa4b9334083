// Opens the kernel library that fits the processor and hands out its table.
#pragma once

#include <string>

#include "kernels/kernel.h"

namespace unspool::kernels {

// Opens the best library in `directory` that this processor can run (or exactly `level`, when not empty),
// once per process. Raises when none fits.
const Table& load_table(const std::string& directory, const std::string& level = {});

// The table that was loaded; raises before load_table.
const Table& table();

}  // namespace unspool::kernels
