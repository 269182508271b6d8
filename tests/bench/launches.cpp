// What one training step asks of a GPU, counted without one: calls that reach LibTorch's kernels, and
// launches, copies and host waits of our own code on a GPU that is the host (tests/support/gpu_on_host). The
// published depth, 16 heads, images and drop-path of ViT-H/14 at 126 px and CaiT-M48 at 224 px, LAMB, fp16,
// one lane; narrow, and few images, because neither changes a count. bench_launches [vit_h14|cait_m48]
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "tests/support/gpu_on_host/cuda.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"
#include "trainer/assembly.hpp"

namespace vitrail::trainer {
namespace {

using tests::gpu_on_host::Counts;

// Under autograd and above every backend, in no other use.
constexpr auto kCounting = c10::DispatchKey::Fake;

// Calls by what they are on a GPU.
struct Calls {
  std::int64_t products = 0;    // matrix products and attention, by LibTorch's libraries
  std::int64_t others = 0;      // at least a launch each
  std::int64_t items = 0;       // the host waits for a number
  std::int64_t no_kernels = 0;  // views, and memory taken
  std::map<std::string, std::int64_t> by_name = {};
};

std::string phase;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::map<std::string, Calls>
    calls;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the fallback's

bool is_view(const c10::FunctionSchema& schema) {
  return !schema.returns().empty() && schema.returns()[0].alias_info() != nullptr &&
         !schema.returns()[0].alias_info()->isWrite();
}

void count(const c10::FunctionSchema& schema) {
  const std::string& name = schema.name();
  Calls& now = calls[phase];
  ++now.by_name[name];
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
  };
  if (is({"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::baddbmm_",
          "aten::_scaled_dot_product_flash_attention_for_cpu",
          "aten::_scaled_dot_product_flash_attention_for_cpu_backward"})) {
    ++now.products;
  } else if (name == "aten::_local_scalar_dense") {
    ++now.items;
  } else if (is_view(schema) ||
             is({"aten::empty", "aten::empty_strided", "aten::empty_like", "aten::new_empty_strided",
                 "aten::_reshape_alias", "aten::detach", "aten::resize_"})) {
    ++now.no_kernels;
  } else {
    ++now.others;
  }
}

// Composite operators are counted by what they are made of.
void counted(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  const auto below = keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kCounting);
  if (op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd)) {
    op.redispatchBoxed(below, stack);
    return;
  }
  count(op.schema());
  const c10::impl::ExcludeDispatchKeyGuard once(kCounting);
  op.redispatchBoxed(below, stack);
}

TORCH_LIBRARY_IMPL(_, Fake, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&counted>()); }

// Tensors lie in the GPU's memory.
class GpuAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* address = nullptr;
    TORCH_CHECK(cudaMalloc(&address, bytes) == cudaSuccess, "out of memory");
    return {address, address, release, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void release(void* memory) { cudaFree(memory); }
};

Config config_of(const std::string& name) {
  const bool cait = name == "cait_m48";
  Config config;
  config.run.lanes = 1;
  config.run.steps = 10;
  config.data.train = "synthetic:64,10,32";
  config.data.global_batch_size = 4;
  config.model.name = name;
  config.model.image_size = cait ? 224 : 126;
  config.model.classes = 10;
  config.model.width = cait ? 256 : 64;  // heads of 16 numbers, which talking heads take whole
  config.model.drop_path = cait ? 0.4 : 0.5;
  config.precision.compute = Precision::fp16;
  config.optimizer.name = sharding::OptimizerName::lamb;
  return config;
}

void print_row(std::string_view what, const Calls& of, std::int64_t blocks, const Counts& own) {
  fmt::print("| {} | {} | {} | {:.1f} | {} | {} | {} | {} | {} |\n", what, of.products, of.others,
             static_cast<double>(of.others) / static_cast<double>(blocks), of.no_kernels, own.launches,
             own.copies, own.pageable_copies, own.waits + of.items);
}

// A step after one that warms up.
void count_step(const std::string& name) {
  const Config config = config_of(name);
  sharding::LocalCommunicator alone;
  GpuAllocator in_gpu_memory;
  c10::Allocator* const usual = c10::GetDefaultCPUAllocator();
  c10::SetCPUAllocator(&in_gpu_memory, 1);
  {
    ComputeDevice device(at::kCPU, sharding::make_gpu_device(0));
    Assembly run(config, alone, device);
    run.student.model->compute_as_on_gpu();
    Log log(false);
    run.initialise_weights(log);
    TrainState state;
    state.loss_scale.scale = 1024;
    run.start_loader(state);
    PhaseLog phases(0, std::nullopt);
    StepContext context = run.context(phases);
    train_step(context, state, {}, {});
    calls.clear();
    tests::gpu_on_host::take_counts();
    {
      const c10::impl::IncludeDispatchKeyGuard counting(kCounting);
      train_step(context, state, {}, {});
    }
    print_row(name, calls[phase], name == "cait_m48" ? 48 : 32, tests::gpu_on_host::take_counts());
    std::vector<std::pair<std::int64_t, std::string>> most;
    for (const auto& [op, times] : calls[phase].by_name) most.emplace_back(times, op);
    std::ranges::sort(most, std::greater<>());
    most.resize(std::min<std::size_t>(most.size(), 30));
    for (const auto& [times, op] : most) fmt::print("    {:6} {}\n", times, op);
  }
  c10::SetCPUAllocator(usual, 1);
}

}  // namespace
}  // namespace vitrail::trainer

int main(int count, char** words) {
  fmt::print(
      "| model | products | other calls | a block | without kernels | own launches | copies | pageable | "
      "waits |\n");
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  for (const char* name : {"vit_h14", "cait_m48"}) {
    if (count < 2 || std::string_view(words[1]) == name) vitrail::trainer::count_step(name);
  }
}
