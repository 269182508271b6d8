// Where a rank's model is computed: a CPU, or the GPU of its number among the ranks of its node. Throws:
// Error(refused) when there is none where run.device = cuda, where the surroundings promised one, or where
// other ranks have one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <c10/core/Device.h>

#include "datasets/pixel_buffer.hpp"
#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

// Everything that LibTorch computes on GPUs from now on has the same bits in every run; what cannot throws
// c10::Error with its name. Beside it stands the workspace of cuBLAS that the launcher asks for.
void ask_for_same_bits();

// Collective. Makes the GPU this thread's, with results that do not change from run to run.
c10::Device choose_device(Device wanted, const GpuPromise& promise, sharding::Communicator& communicator);

// What computes on all ranks, for the log (device_line.hpp). Collective.
std::string describe_devices(c10::Device own, sharding::Communicator& ranks, std::string_view exchange);

// The same with what sharding needs there.
class ComputeDevice {
 public:
  ComputeDevice(const Config& config, sharding::Communicator& ranks, const GpuPromise& promise = {});

  // Tensors there, and what sharding needs in that memory: for tests.
  ComputeDevice(c10::Device torch, std::unique_ptr<sharding::Device> memory)
      : torch_(torch), memory_(std::move(memory)) {}

  c10::Device torch() const { return torch_; }
  sharding::Device& memory() { return *memory_; }
  // `ranks` with what lies on GPUs carried by NCCL or, where ranks share one, through the host's memory; null
  // where `ranks` serves as it is. Collective. Throws: Error(refused) for what sharding.communicator cannot
  // do.
  std::unique_ptr<sharding::Communicator> communicator(const sharding::ShardingConfig& config,
                                                       sharding::Communicator& ranks);
  // The first line of a run's log. Collective; after communicator().
  std::string describe(sharding::Communicator& ranks) const {
    return describe_devices(torch_, ranks, exchanged_);
  }

 private:
  c10::Device torch_;
  std::string_view exchanged_;
  std::unique_ptr<sharding::Device> memory_;
};

// What the same bits depend on: the instruction set that LibTorch's kernels were chosen for, or the GPU
// model.
std::string machine_name(c10::Device device);

// The largest part of its memory that was in use so far: of the process, or of the GPU by LibTorch. Bytes.
std::int64_t peak_memory(c10::Device device);

// Where batches for that device should lie: pinned for a GPU, which then copies them by itself.
datasets::PixelMemory batch_memory(c10::Device device);

}  // namespace vitrail::trainer
