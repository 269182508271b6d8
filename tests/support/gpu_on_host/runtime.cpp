// Streams, events and memory. Device and pinned memory are the host's, filled with NaNs.
#include <array>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/support/gpu_on_host/blocks.hpp"

struct CUstream_st {
  std::deque<std::function<void()>> work;
  std::int64_t given = 0, done = 0;

  void run_until(std::int64_t count) {
    for (; done < count; ++done) {
      const auto first = std::move(work.front());
      work.pop_front();
      first();
    }
  }
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::int64_t at = 0;
};

namespace vitrail::tests::gpu_on_host {
namespace {

using Regions = std::map<const std::byte*, std::size_t>;

bool holds(const Regions& regions, const void* address) {
  const auto* byte = static_cast<const std::byte*>(address);
  const auto next = regions.upper_bound(byte);
  return next != regions.begin() && byte < std::prev(next)->first + std::prev(next)->second;
}

// One caller at a time; what a stream does may wait for other GPUs.
struct Gpu {
  std::recursive_mutex mutex;
  Manner manner;
  bool default_is_the_hosts = false;
  Counts counts;
  cudaError_t last_error = cudaSuccess;
  std::size_t memory = std::numeric_limits<std::size_t>::max() / 2, used = 0;
  Regions device, pinned;
  CUstream_st default_stream, host_stream;
  std::set<CUstream_st*> streams{&default_stream, &host_stream};

  CUstream_st& stream(cudaStream_t stream) { return stream == nullptr ? default_stream : *stream; }
  void put(cudaStream_t on, std::function<void()> work) {
    CUstream_st& s = stream(on);
    s.work.push_back(std::move(work));
    ++s.given;
    const bool at_once =
        !manner.late || &s == &host_stream || (default_is_the_hosts && &s == &default_stream);
    if (at_once) s.run_until(s.given);
  }
  void finish() {
    for (CUstream_st* s : streams) s->run_until(s->given);
  }
  bool copies_by_itself(const void* address) const {
    return holds(device, address) || holds(pinned, address);
  }
  cudaError_t fail(cudaError_t error) { return last_error = error; }
  cudaError_t allocate(Regions& regions, void** address, std::size_t bytes) {
    *address = nullptr;
    if (bytes == 0) return cudaSuccess;
    constexpr std::size_t kAlignment = 256, kLargest = std::size_t{1} << 36;
    if (bytes > kLargest) return fail(cudaErrorMemoryAllocation);
    if (&regions == &device && bytes > memory - std::min(used, memory))
      return fail(cudaErrorMemoryAllocation);
    if (::posix_memalign(address, kAlignment, bytes) != 0) return fail(cudaErrorMemoryAllocation);
    std::memset(*address, 0xff, bytes);
    regions[static_cast<std::byte*>(*address)] = bytes;
    if (&regions == &device) used += bytes;
    return cudaSuccess;
  }
  cudaError_t release(Regions& regions, void* address) {
    finish();
    const auto found = regions.find(static_cast<std::byte*>(address));
    if (address != nullptr && found == regions.end()) return fail(cudaErrorInvalidValue);
    if (address == nullptr) return cudaSuccess;
    if (&regions == &device) used -= found->second;
    regions.erase(found);
    std::free(address);
    return cudaSuccess;
  }
};

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): C functions have nowhere else to look
std::array<Gpu, kGpus> gpus;
thread_local std::size_t chosen = 0;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

Gpu& chosen_gpu() { return gpus.at(chosen); }

}  // namespace

void set_manner(Manner manner) {
  for (Gpu& gpu : gpus) {
    const std::lock_guard lock(gpu.mutex);
    gpu.finish();
    gpu.manner = manner;
    gpu.default_is_the_hosts = false;
  }
}

void let_default_streams_be_the_hosts() {
  for (Gpu& gpu : gpus) {
    const std::lock_guard lock(gpu.mutex);
    gpu.finish();
    gpu.default_is_the_hosts = true;
  }
}

Counts take_counts() {
  Counts all;
  for (Gpu& gpu : gpus) {
    const std::lock_guard lock(gpu.mutex);
    const Counts own = std::exchange(gpu.counts, {});
    all.launches += own.launches;
    all.copies += own.copies;
    all.pageable_copies += own.pageable_copies;
    all.waits += own.waits;
  }
  return all;
}

void set_memory(std::size_t bytes) {
  for (Gpu& gpu : gpus) {
    const std::lock_guard lock(gpu.mutex);
    gpu.memory = bytes;
  }
}

cudaStream_t stream_of_the_host() { return &chosen_gpu().host_stream; }

void put_on_stream(cudaStream_t stream, std::function<void()> work) {
  Gpu& gpu = chosen_gpu();
  const std::lock_guard lock(gpu.mutex);
  gpu.put(stream, std::move(work));
}

cudaError_t put_on_stream(const cudaLaunchConfig_t& config, std::function<void()> kernel) {
  Gpu& gpu = chosen_gpu();
  const std::lock_guard lock(gpu.mutex);
  ++gpu.counts.launches;
  if (!can_run(config.gridDim, config.blockDim) || config.dynamicSmemBytes != 0)
    return gpu.fail(cudaErrorInvalidConfiguration);
  gpu.put(config.stream, [config, kernel = std::move(kernel), threads = gpu.manner.threads] {
    run_blocks(config.gridDim, config.blockDim, threads, kernel);
  });
  return cudaSuccess;
}

}  // namespace vitrail::tests::gpu_on_host

// NOLINTBEGIN(readability-identifier-naming): CUDA's names
using vitrail::tests::gpu_on_host::chosen_gpu;
using vitrail::tests::gpu_on_host::Gpu;
using vitrail::tests::gpu_on_host::kGpus;
using Lock = std::lock_guard<std::recursive_mutex>;

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  return gpu.allocate(gpu.device, address, bytes);
}
cudaError_t cudaFree(void* address) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  return gpu.release(gpu.device, address);
}
cudaError_t cudaMallocHost(void** address, std::size_t bytes) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  return gpu.allocate(gpu.pinned, address, bytes);
}
cudaError_t cudaFreeHost(void* address) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  return gpu.release(gpu.pinned, address);
}
cudaError_t cudaHostRegister(void* address, std::size_t bytes, unsigned) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  gpu.pinned[static_cast<std::byte*>(address)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* address) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  gpu.finish();
  return gpu.pinned.erase(static_cast<std::byte*>(address)) == 1 ? cudaSuccess
                                                                 : gpu.fail(cudaErrorInvalidValue);
}
cudaError_t cudaMemset(void* address, int value, std::size_t bytes) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  gpu.put(nullptr, [=] { std::memset(address, value, bytes); });
  return cudaSuccess;
}
// What comes from pageable memory is read before this returns, what goes there is there.
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  ++gpu.counts.copies;
  const bool waits = !gpu.copies_by_itself(from) || !gpu.copies_by_itself(to);
  gpu.counts.pageable_copies += waits ? 1 : 0;
  gpu.put(stream, [=] { std::memmove(to, from, bytes); });
  if (waits) gpu.stream(stream).run_until(gpu.stream(stream).given);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  ++gpu.counts.waits;
  gpu.finish();
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  *stream = new CUstream_st;
  gpu.streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  stream->run_until(stream->given);
  gpu.streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  *event = {&gpu.stream(stream), gpu.stream(stream).given};
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  if (event->stream != nullptr) gpu.put(stream, [of = event->stream, at = event->at] { of->run_until(at); });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  ++gpu.counts.waits;
  if (event->stream != nullptr) event->stream->run_until(event->at);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  if (event->stream == nullptr || event->stream->done >= event->at) return cudaSuccess;
  event->stream->run_until(event->stream->done + 1);
  return cudaErrorNotReady;
}
cudaError_t cudaSetDevice(int index) {
  if (index < 0 || index >= kGpus) return cudaErrorInvalidValue;
  vitrail::tests::gpu_on_host::chosen = static_cast<std::size_t>(index);
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* index) {
  *index = static_cast<int>(vitrail::tests::gpu_on_host::chosen);
  return cudaSuccess;
}
// With tensor cores for halves of both kinds.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 8;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kGpus;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* name, int length, int index) {
  *fmt::format_to_n(name, length - 1, "0000:0{}:00.0", index).out = '\0';
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  Gpu& gpu = chosen_gpu();
  const Lock lock(gpu.mutex);
  return std::exchange(gpu.last_error, cudaSuccess);
}
const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration";
    default:
      return "an error";
  }
}
// NOLINTEND(readability-identifier-naming)
