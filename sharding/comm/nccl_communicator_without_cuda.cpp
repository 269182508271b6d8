#include "sharding/device/gpu_device.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::sharding {

std::string nccl_library() { return "none"; }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator&, int, Device&, std::chrono::seconds) {
  throw Error(ExitCode::refused, "this program was built without NCCL",
              "build the cuda preset, or set run.device = cpu");
}

}  // namespace vitrail::sharding
