#include "trainer/device/nvml.hpp"

#include <dlfcn.h>

namespace vitrail::trainer {
namespace {

constexpr std::size_t kText = 96;  // letters of the library's longest name

int close_if_any(void* library) { return library == nullptr ? 0 : ::dlclose(library); }

}  // namespace

Nvml::Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), close_if_any) {
  answers_ = get("nvmlInit_v2");
}

Nvml::~Nvml() {
  if (answers_) get("nvmlShutdown");
}

void* Nvml::find(const char* call) const { return library_ ? ::dlsym(library_.get(), call) : nullptr; }

std::string Nvml::driver() const {
  std::array<char, kText> text{};
  if (!get("nvmlSystemGetDriverVersion", text.data(), static_cast<unsigned>(text.size()))) return "";
  return text.data();
}

std::vector<Nvml::Gpu> Nvml::gpus() const {
  unsigned count = 0;
  if (!answers_ || !get("nvmlDeviceGetCount_v2", &count)) return {};
  std::vector<Gpu> gpus;
  for (unsigned index = 0; index < count; ++index) {
    Gpu gpu = nullptr;
    if (get("nvmlDeviceGetHandleByIndex_v2", index, &gpu)) gpus.push_back(gpu);
  }
  return gpus;
}

std::string Nvml::text(const char* call, Gpu gpu) const {
  std::array<char, kText> text{};
  return get(call, gpu, text.data(), static_cast<unsigned>(text.size())) ? text.data() : "";
}

}  // namespace vitrail::trainer
