#include "trainer/device/compute_device.hpp"

#include <filesystem>
#include <fstream>

#include <malloc.h>
#include <sys/resource.h>

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>

#include "sharding/agreement/gather_text.hpp"
#include "sharding/agreement/nodes.hpp"
#include "sharding/comm/staged_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "sharding/device/host_device.hpp"
#include "trainer/device/device_line.hpp"

namespace vitrail::trainer {
namespace {

// As the driver tells it: "NVIDIA H200".
std::string gpu_model() {
  std::error_code none;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", none)) {
    std::ifstream information(gpu.path() / "information");
    for (std::string line; std::getline(information, line);) {
      if (!line.starts_with("Model:")) continue;
      const std::size_t begin = line.find_first_not_of(" \t", 6);
      return begin == std::string::npos ? "GPU" : line.substr(begin);
    }
  }
  return "GPU";
}

Error no_gpu(Device wanted, const GpuPromise& promise) {
  const std::string host = sharding::host_name();
  const NoGpu reason =
      why_no_gpu(promise, sharding::built_with_cuda(), std::filesystem::exists("/proc/driver/nvidia"));
  const std::string what =
      wanted == Device::cuda ? fmt::format("run.device = cuda, but LibTorch finds no GPU on {}", host)
      : promise.by.empty()
          ? fmt::format("run.device = auto finds no GPU on {}, but other ranks have one", host)
          : fmt::format("run.device = auto finds no GPU on {}, where {}", host, promise.by);
  return {ExitCode::refused, fmt::format("{}: {}", what, reason.why), reason.way_out};
}

}  // namespace

void ask_for_same_bits() {
  at::Context& context = at::globalContext();
  // Not as a warning: attention's backward passes add in a fixed order only where it is an error.
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // a kernel for every new tensor, and we read none
  context.setBenchmarkCuDNN(false);
  context.setAllowTF32CuDNN(false);
  // cuDNN plans attention for each shape, and stochastic depth brings another number of rows to every branch.
  context.setSDPUseCuDNN(false);
  // Partial sums of a split product stay in fp32, too: in halves those of weights' gradients may overflow.
  context.setAllowFP16ReductionCuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
}

c10::Device choose_device(Device wanted, const GpuPromise& promise, sharding::Communicator& communicator) {
  const int rank_on_node = sharding::rank_on_node(communicator);
  const auto gpus = wanted == Device::cpu ? 0 : static_cast<int>(torch::cuda::device_count());
  const std::vector<std::string> found = sharding::gather_text(communicator, gpus > 0 ? "some" : "");
  if (gpus == 0) {
    const bool nobody = std::ranges::all_of(found, [](const std::string& gpu) { return gpu.empty(); });
    if (wanted == Device::cpu || (wanted == Device::automatic && promise.by.empty() && nobody))
      return {c10::kCPU};
    throw no_gpu(wanted, promise);
  }
  ask_for_same_bits();
  const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(rank_on_node % gpus));
  c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(device);
  return device;
}

std::string describe_devices(c10::Device own, sharding::Communicator& ranks, std::string_view exchange) {
  const std::string name = own.is_cpu() ? fmt::format("CPU ({})", machine_name(own)) : machine_name(own);
  const std::string on_bus = own.is_cpu() ? "" : sharding::name_on_bus(own.index());
  std::vector<DevicePlace> places;
  for (const std::string& text :
       sharding::gather_text(ranks, fmt::format("{}\n{}\n{}", sharding::host_name(), name, on_bus))) {
    const std::size_t first = text.find('\n'), second = text.find('\n', first + 1);
    places.push_back(
        {text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)});
  }
  return device_line(places, exchange);
}

ComputeDevice::ComputeDevice(const Config& config, sharding::Communicator& ranks, const GpuPromise& promise)
    : torch_(choose_device(config.run.device, promise, ranks)),
      exchanged_(ranks.size() > 1 ? "over MPI" : "") {
  if (torch_.is_cpu()) {
    ::mallopt(M_ARENA_MAX, 1);  // what one thread's products gave back is there for all; loaders are few here
    memory_ = std::make_unique<sharding::HostDevice>(sharding::on_threads(config.run.threads));
  } else {
    memory_ = sharding::make_gpu_device(
        torch_.index(), [kind = torch_.type()] { c10::getDeviceAllocator(kind)->emptyCache(); });
  }
}

std::unique_ptr<sharding::Communicator> ComputeDevice::communicator(const sharding::ShardingConfig& config,
                                                                    sharding::Communicator& ranks) {
  const bool wants_nccl = config.communicator == sharding::CommunicatorKind::nccl;
  if (torch_.is_cpu()) {
    if (!wants_nccl) return nullptr;
    throw Error(ExitCode::refused, "sharding.communicator = nccl, but the model is computed on a CPU",
                "set run.device = cuda, or leave sharding.communicator out");
  }
  if (ranks.size() == 1) return nullptr;
  // Not by counting: a launcher may show every rank only its own GPU, each as the first of one.
  const bool shared = sharding::shared_on_a_node(ranks, sharding::name_on_bus(torch_.index()));
  if (wants_nccl && shared) {
    throw Error(ExitCode::refused, "sharding.communicator = nccl, but ranks share a GPU",
                "start a rank for each GPU, or leave sharding.communicator out");
  }
  if (shared || config.communicator == sharding::CommunicatorKind::mpi) {
    exchanged_ = shared ? "over MPI through the hosts' memory (ranks share a GPU)"
                        : "over MPI through the hosts' memory";
    return std::make_unique<sharding::StagedCommunicator>(ranks, *memory_);
  }
  exchanged_ = "by NCCL";
  return sharding::make_nccl_communicator(ranks, torch_.index(), *memory_,
                                          std::chrono::seconds(config.timeout.count));
}

std::string machine_name(c10::Device device) {
  return device.is_cpu() ? at::get_cpu_capability() : gpu_model();
}

datasets::PixelMemory batch_memory(c10::Device device) {
  if (device.is_cpu()) return datasets::ordinary_memory;
  return [](std::size_t floats) {
    const at::Tensor pinned =
        at::empty({static_cast<std::int64_t>(floats)}, at::TensorOptions(at::kFloat).pinned_memory(true));
    return std::shared_ptr<float>(pinned.data_ptr<float>(), [pinned](float*) {});
  };
}

std::int64_t peak_memory(c10::Device device) {
  if (!device.is_cpu()) {
    const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    return stats.reserved_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) << 10;
}

}  // namespace vitrail::trainer
