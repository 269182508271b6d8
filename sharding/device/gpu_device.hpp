// A GPU as a device. compute() is CUDA's default stream, on which LibTorch computes unless it is told
// otherwise; exchange() and sums() are streams of their own. Sums and updates have the bits of the host's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"

namespace vitrail::sharding {

bool built_with_cuda();
std::string nccl_library();  // its version, "2.28.9"; "none" in a program that was built without

// `give_back`: makes others free what they hold of this GPU's memory without use; called before it is said
// that there is none. Throws Error(refused) in a program that was built without CUDA.
std::unique_ptr<Device> make_gpu_device(int index, const std::function<void()>& give_back = nullptr);
// Of the GPU itself, by its place on the bus: processes may each see it under another index.
std::string name_on_bus(int index);

// `inner`, with what lies on GPUs going from GPU to GPU by NCCL: every rank needs one of its own, `gpu`, made
// here and living longer. Collective.
// Throws also: Error(watchdog) when a call takes longer than `timeout` (0: no limit) and nobody has failed.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& inner, int index, Device& gpu,
                                                     std::chrono::seconds timeout);

}  // namespace vitrail::sharding
