#include "sharding/device/gpu_device.hpp"

namespace vitrail::sharding {
namespace {

Error no_cuda() {
  return {ExitCode::refused, "this program was built without CUDA",
          "build the cuda preset, or set run.device = cpu"};
}

}  // namespace

bool built_with_cuda() { return false; }

std::unique_ptr<Device> make_gpu_device(int, const std::function<void()>&) { throw no_cuda(); }

std::string name_on_bus(int) { throw no_cuda(); }

}  // namespace vitrail::sharding
