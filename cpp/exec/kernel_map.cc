// Kernel lookup and the call of a kernel.
#include "exec/kernel_map.h"

#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/host_lock.h"
#include "base/thread_pool.h"
#include "ops/registry.h"
#include "tensor/allocator.h"

namespace unspool::exec {
namespace {

std::vector<const kernels::Kernel*> by_id;

class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : bytes_(bytes), memory_(bytes ? allocate(bytes) : nullptr) {}
  ~Scratch() {
    if (memory_) deallocate(memory_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::byte* get() const { return static_cast<std::byte*>(memory_); }

 private:
  std::size_t bytes_;
  void* memory_;
};

}  // namespace

bool is_long_work(std::span<const View> in, std::span<const View> out) {
  std::int64_t elements = 0;
  for (const View& view : in) elements += view.ndim > 0 ? view.numel() : 1;
  for (const View& view : out) elements += view.numel();
  return is_long_work(elements);
}

void map_kernels(const kernels::Table& table) {
  std::unordered_map<std::string_view, const kernels::Kernel*> by_name;
  for (std::size_t i = 0; i < table.count; ++i) by_name.emplace(table.kernels[i].name, &table.kernels[i]);
  by_id.assign(ops::registry().size(), nullptr);
  for (const ops::Op* op : ops::registry()) {
    const ops::Kind kind = op->record.kind;
    if (kind == ops::Kind::kView || kind == ops::Kind::kComposite) continue;
    const auto found = by_name.find(op->record.name);
    if (found != by_name.end()) by_id[op->id] = found->second;
  }
}

const kernels::Kernel& kernel_of(const ops::Op& op) {
  const kernels::Kernel* kernel = by_id[op.id];
  if (!kernel) {
    fail(ErrorKind::kNotImplemented, op.record.name, ": this build has no kernel for it on the CPU");
  }
  return *kernel;
}

bool begins_at_end(bool either_way) {
  static thread_local bool ended_at_end = false;
  const bool result = either_way && ended_at_end;
  ended_at_end = !result;
  return result;
}

void run_kernel(const ops::Op& op, std::span<const View> in, std::span<const View> out,
                std::span<const ops::Attr> attrs) {
  run_kernel(op, in, out, attrs, is_long_work(in, out));
}

void run_kernel(const ops::Op& op, std::span<const View> in, std::span<const View> out,
                std::span<const ops::Attr> attrs, bool long_work) {
  const kernels::Kernel& kernel = kernel_of(op);
  kernels::Fault fault;
  const kernels::KernelCall call{in, out, attrs, &fault};
  kernels::Context context;
  context.threads = long_work ? thread_count() : 1;
  context.run_chunks = run_chunks;
  if (long_work) context.from_end = begins_at_end(kernel.either_way);
  const Scratch scratch(kernel.scratch ? kernel.scratch(call, context.threads) : 0);
  context.scratch = scratch.get();
  {
    const Unlocked unlocked(long_work);
    kernel.run(context, call);
  }
  if (fault.what) raise_fault(op, fault);
}

void raise_fault(const ops::Op& op, const kernels::Fault& fault) {
  if (fault.limit == 0) fail(op.record.name, ": division by zero in an integer dtype");
  if (fault.limit < 0) fail(op.record.name, ": ", fault.what, " ", fault.value);
  if (fault.dim >= 0) {
    fail(op.record.out_of_range, op.record.public_name(), ": ", fault.what, " ", fault.value,
         " is out of range for dim ", fault.dim, " of size ", fault.limit);
  }
  fail(op.record.out_of_range, op.record.public_name(), ": ", fault.what, " ", fault.value,
       " is out of range: expected 0 to ", fault.limit - 1);
}

}  // namespace unspool::exec
