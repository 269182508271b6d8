// What is used of NVIDIA's management library, with its types as its documentation (nvml.h, driver 535 and
// later) lays them out: statuses are 0 where a call succeeded.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vitrail::trainer {

class Nvml {
 public:
  using Gpu = void*;

  Nvml();  // loads the library and asks it to begin
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  bool answers() const { return answers_; }
  std::string driver() const;
  std::vector<Gpu> gpus() const;

  std::string text(const char* call, Gpu gpu) const;  // nvmlDeviceGetName, nvmlDeviceGetUUID; empty: not told
  // Calls with the GPU and these arguments; false where the library has no such call or refuses.
  template <class... Arguments>
  bool get(const char* call, Arguments... arguments) const {
    const auto function = reinterpret_cast<int (*)(Arguments...)>(find(call));
    return function != nullptr && function(arguments...) == 0;
  }

 private:
  void* find(const char* call) const;

  std::unique_ptr<void, int (*)(void*)> library_;
  bool answers_ = false;
};

struct NvmlUtilization {  // percent of its last period
  unsigned int gpu = 0, memory = 0;
};

struct NvmlMemory {
  unsigned long long total = 0, free = 0, used = 0;
};

struct NvmlProcess {  // version 3 of the call that lists them
  unsigned int pid = 0;
  unsigned long long used_bytes = 0;
  unsigned int gpu_instance = 0, compute_instance = 0;
};

}  // namespace vitrail::trainer
