// NVIDIA's management library of a machine with two GPUs, for machines without: LD_LIBRARY_PATH names its
// folder. NVML_COMPUTE_MODE, NVML_ECC, NVML_UNCORRECTED and NVML_PROCESS change what it tells of the second
// one. Only what the program asks for.
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kDone = 0, kNotFound = 6;

int number(const char* variable, int usual) {
  const char* text = std::getenv(variable);
  return text == nullptr ? usual : std::atoi(text);
}

bool is_second(const void* gpu) { return gpu == reinterpret_cast<const void*>(2); }

}  // namespace

extern "C" {
int nvmlInit_v2() { return kDone; }
int nvmlShutdown() { return kDone; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  std::snprintf(text, size, "580.65.06");
  return kDone;
}
int nvmlDeviceGetCount_v2(unsigned* count) { return *count = 2, kDone; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** gpu) {
  *gpu = reinterpret_cast<void*>(std::size_t{index} + 1);
  return kDone;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* on_bus, void** gpu) {
  *gpu = reinterpret_cast<void*>(2);
  return std::strcmp(on_bus, "0000:65:00.0") == 0 ? kDone : kNotFound;
}
int nvmlDeviceGetUtilizationRates(void* gpu, unsigned* percent) {  // of its processors, of its memory
  percent[0] = 97;
  percent[1] = 40;
  return is_second(gpu) ? kDone : kNotFound;
}
int nvmlDeviceGetPowerUsage(void* gpu, unsigned* milliwatts) {
  *milliwatts = 512'500;
  return is_second(gpu) ? kDone : kNotFound;
}
int nvmlDeviceGetName(void*, char* text, unsigned size) {
  std::snprintf(text, size, "NVIDIA H100 80GB HBM3");
  return kDone;
}
int nvmlDeviceGetUUID(void* gpu, char* text, unsigned size) {
  std::snprintf(text, size, "GPU-%d", is_second(gpu) ? 2 : 1);
  return kDone;
}
int nvmlDeviceGetComputeMode(void* gpu, int* mode) {
  *mode = is_second(gpu) ? number("NVML_COMPUTE_MODE", 0) : 0;
  return kDone;
}
int nvmlDeviceGetEccMode(void* gpu, int* current, int* pending) {
  *current = *pending = is_second(gpu) ? number("NVML_ECC", 1) : 1;
  return kDone;
}
int nvmlDeviceGetTotalEccErrors(void* gpu, int type, int counter, unsigned long long* errors) {
  if (type != 1 || counter != 0) return kNotFound;
  *errors = is_second(gpu) ? static_cast<unsigned long long>(number("NVML_UNCORRECTED", 0)) : 0;
  return kDone;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void* gpu, unsigned* count, void* processes) {
  const int process = is_second(gpu) ? number("NVML_PROCESS", 0) : 0;
  *count = process > 0 ? 1 : 0;
  if (process > 0) *static_cast<unsigned*>(processes) = static_cast<unsigned>(process);
  return kDone;
}
int nvmlDeviceGetMemoryInfo(void*, void* memory) {
  auto* bytes = static_cast<unsigned long long*>(memory);  // all, free, used
  bytes[0] = 85'000'000'000;
  bytes[1] = 84'000'000'000;
  bytes[2] = 1'000'000'000;
  return kDone;
}
}
