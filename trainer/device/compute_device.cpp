#include "trainer/device/compute_device.hpp"

#include <filesystem>
#include <fstream>

#include <sys/resource.h>

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/cuda.h>

#include "sharding/gpu_device.hpp"
#include "sharding/host_device.hpp"
#include "sharding/nodes.hpp"
#include "sharding/staged_communicator.hpp"

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

c10::Device choose_device(Device wanted, sharding::Communicator& communicator) {
  const int rank_on_node = sharding::rank_on_node(communicator);
  const auto gpus = wanted == Device::cpu ? 0 : static_cast<int>(torch::cuda::device_count());
  if (gpus == 0) {
    if (wanted != Device::cuda) return {c10::kCPU};
    throw Error(ExitCode::refused,
                fmt::format("run.device = cuda, but LibTorch finds no GPU on {}", sharding::host_name()),
                "start it where there is one, with a build of the cuda preset; or set run.device = cpu");
  }
  ask_for_same_bits();
  const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(rank_on_node % gpus));
  c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(device);
  return device;
}

ComputeDevice::ComputeDevice(const Config& config, sharding::Communicator& ranks)
    : torch_(choose_device(config.run.device, ranks)) {
  if (torch_.is_cpu()) {
    memory_ = std::make_unique<sharding::HostDevice>(sharding::on_threads(config.run.threads));
  } else {
    memory_ = sharding::make_gpu_device(torch_.index());
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
    exchanged_ = shared ? "through the hosts' memory by MPI, for ranks share a GPU"
                        : "through the hosts' memory by MPI";
    return std::make_unique<sharding::StagedCommunicator>(ranks, *memory_);
  }
  exchanged_ = "from GPU to GPU by NCCL";
  return sharding::make_nccl_communicator(ranks, torch_.index(), std::chrono::seconds(config.timeout.count));
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
