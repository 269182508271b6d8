#include "sharding/device/gpu_device.hpp"

#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "sharding/device/cuda_handles.hpp"
#include "sharding/device/gpu_kernels.hpp"

namespace vitrail::sharding {
namespace {

// Memory of one GPU, and the host's that is pinned for it.
class GpuMemory {
 public:
  GpuMemory(int gpu, std::function<void()> give_back) : gpu_(gpu), give_back_(std::move(give_back)) {}

  void* allocate(std::size_t bytes, Memory memory) const {
    use_gpu(gpu_);
    void* address = nullptr;
    cudaError_t status = take(bytes, memory, address);
    if (status == cudaErrorMemoryAllocation && give_back_) {
      give_back_();
      status = take(bytes, memory, address);
    }
    if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
    check_cuda(status, "cudaMalloc", gpu_);
    return address;
  }

 private:
  // What is refused is no error of the kernel that comes next.
  static cudaError_t take(std::size_t bytes, Memory memory, void*& address) {
    const cudaError_t status =
        memory == Memory::pinned ? cudaMallocHost(&address, bytes) : cudaMalloc(&address, bytes);
    if (status != cudaSuccess) cudaGetLastError();
    return status;
  }

  int gpu_;
  std::function<void()> give_back_;
};

// A run of the GPU's memory that grows as it is asked for more.
class GpuScratch {
 public:
  GpuScratch(int gpu, const GpuMemory& memory) : gpu_(gpu), memory_(memory) {}
  ~GpuScratch() { cudaFree(bytes_); }
  GpuScratch(const GpuScratch&) = delete;
  GpuScratch& operator=(const GpuScratch&) = delete;

  void* room(std::size_t bytes) {
    if (bytes <= size_) return bytes_;
    check_cuda(cudaFree(bytes_), "cudaFree", gpu_);  // waits for what uses it
    bytes_ = nullptr;
    size_ = 0;
    bytes_ = memory_.allocate(bytes, Memory::device);
    size_ = bytes;
    return bytes_;
  }

 private:
  int gpu_;
  const GpuMemory& memory_;
  void* bytes_ = nullptr;
  std::size_t size_ = 0;
};

// Memory of the GPU that goes with its last owner.
std::shared_ptr<void> shared_memory(int gpu, const GpuMemory& memory, std::size_t bytes) {
  return {memory.allocate(bytes, Memory::device), [gpu](void* address) {
            cudaSetDevice(gpu);
            cudaFree(address);
          }};
}

// Pinned memory of the host between what is pageable and a stream: two runs that take turns, so that one may
// be filled while the stream still reads the other.
class Staging {
 public:
  Staging(int gpu, const GpuMemory& memory) : gpu_(gpu), memory_(memory) {}
  ~Staging() {
    for (Run& run : runs_) cudaFreeHost(run.bytes);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  void upload(std::span<const std::byte> from, void* to, cudaStream_t stream) {
    Run& run = room(from.size());
    std::memcpy(run.bytes, from.data(), from.size());
    check_cuda(cudaMemcpyAsync(to, run.bytes, from.size(), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync",
               gpu_);
    run.used.record(stream);
  }
  // Waits for the stream.
  void download(const void* from, std::span<std::byte> to, cudaStream_t stream) {
    Run& run = room(to.size());
    check_cuda(cudaMemcpyAsync(run.bytes, from, to.size(), cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync",
               gpu_);
    run.used.record(stream);
    run.used.wait();
    std::memcpy(to.data(), run.bytes, to.size());
  }

 private:
  struct Run {
    explicit Run(int gpu) : used(gpu) {}
    void* bytes = nullptr;
    std::size_t size = 0;
    CudaEvent used;
  };

  Run& room(std::size_t bytes) {
    Run& run = runs_.at(next_++ % runs_.size());
    if (!run.used.reached()) run.used.wait();
    if (bytes > run.size) {
      check_cuda(cudaFreeHost(std::exchange(run.bytes, nullptr)), "cudaFreeHost", gpu_);
      run.size = 0;
      run.bytes = memory_.allocate(bytes, Memory::pinned);
      run.size = bytes;
    }
    return run;
  }

  int gpu_;
  const GpuMemory& memory_;
  std::array<Run, 2> runs_{Run(gpu_), Run(gpu_)};
  std::size_t next_ = 0;
};

class GpuMark final : public Mark {
 public:
  GpuMark(int gpu, cudaStream_t stream) : gpu_(gpu), event_(gpu) { event_.record(stream); }
  void wait() const override {
    use_gpu(gpu_);
    event_.wait();
  }
  const CudaEvent& event() const { return event_; }

 private:
  int gpu_;
  CudaEvent event_;
};

class GpuStream final : public Stream {
 public:
  GpuStream(int gpu, cudaStream_t stream, const GpuMemory& memory)
      : gpu_(gpu),
        stream_(stream),
        memory_(memory),
        staging_(gpu, memory),
        scalars_(gpu, memory),
        squares_(gpu, memory) {}

  void copy(const std::byte* from, std::size_t bytes, std::byte* to) override {
    use_gpu(gpu_);
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "cudaMemcpyAsync", gpu_);
  }

  void add(DataType type, std::span<const Addend> addends, std::int64_t n, std::byte* to) override {
    use_gpu(gpu_);
    gpu::launch_add(stream_, type, addends.data(), addends.size(), n, to);
    check_cuda(cudaGetLastError(), "a kernel that adds", gpu_);
  }

  void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) override {
    use_gpu(gpu_);
    gpu::launch_widen(stream_, type, from, n, to);
    check_cuda(cudaGetLastError(), "a kernel that widens", gpu_);
  }

  void update(UpdateKernel kernel, DataType type, UpdateList& list, std::span<Squares> squares) override {
    if (list.runs.empty()) return;
    use_gpu(gpu_);
    const auto scalars = std::as_bytes(std::span(list.scalars));
    auto* const by_number = static_cast<UpdateScalars*>(scalars_.room(scalars.size()));
    auto* const sums = static_cast<Squares*>(squares.empty() ? nullptr : squares_.room(squares.size_bytes()));
    staging_.upload(scalars, by_number, stream_);
    gpu::launch_update(stream_, kernel, type, kept_runs(list), static_cast<std::int64_t>(list.runs.size()),
                       by_number, sums);
    check_cuda(cudaGetLastError(), "an update kernel", gpu_);
    if (!squares.empty()) staging_.download(sums, std::as_writable_bytes(squares), stream_);
  }

  std::shared_ptr<const Mark> mark() override {
    use_gpu(gpu_);
    return std::make_shared<GpuMark>(gpu_, stream_);
  }
  void begin_after(const Mark& mark) override {
    use_gpu(gpu_);
    dynamic_cast<const GpuMark&>(mark).event().hold_back(stream_);
  }

  cudaStream_t get() const { return stream_; }

 private:
  const UpdateRun* kept_runs(UpdateList& list) {
    if (!list.kept) {
      const auto runs = std::as_bytes(std::span(list.runs));
      const std::shared_ptr<void> kept = shared_memory(gpu_, memory_, runs.size());
      copy(runs.data(), runs.size(), static_cast<std::byte*>(kept.get()));
      list.kept = kept;
    }
    return static_cast<const UpdateRun*>(list.kept.get());
  }

  int gpu_;
  cudaStream_t stream_;
  const GpuMemory& memory_;
  Staging staging_;
  GpuScratch scalars_, squares_;
};

class GpuDevice final : public Device {
 public:
  GpuDevice(int gpu, std::function<void()> give_back) : gpu_(gpu), memory_(gpu, std::move(give_back)) {}

  std::byte* allocate(std::size_t bytes, Memory memory) override {
    void* address = memory_.allocate(bytes, memory);
    check_cuda(cudaMemset(address, 0, bytes), "cudaMemset", gpu_);
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize", gpu_);  // for the other streams
    return static_cast<std::byte*>(address);
  }

  void release(std::byte* bytes, Memory memory) noexcept override {
    cudaSetDevice(gpu_);
    memory == Memory::pinned ? cudaFreeHost(bytes) : cudaFree(bytes);
  }

  std::shared_ptr<void> pin(std::span<std::byte> bytes) override {
    use_gpu(gpu_);
    if (bytes.empty()) return nullptr;
    if (cudaHostRegister(bytes.data(), bytes.size(), cudaHostRegisterDefault) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    return {bytes.data(), [](void* address) { cudaHostUnregister(address); }};
  }

  Stream& compute() override { return compute_; }
  GpuStream& exchange() override { return exchange_; }
  Stream& sums() override { return sums_; }
  Stream* copies() override { return &copies_; }
  std::size_t most_addends() const override { return gpu::kMostAddends; }

 private:
  int gpu_;
  GpuMemory memory_;
  CudaStream of_calls_{gpu_}, of_sums_{gpu_}, of_copies_{gpu_};
  GpuStream compute_{gpu_, nullptr, memory_};
  GpuStream exchange_{gpu_, of_calls_.get(), memory_};
  GpuStream sums_{gpu_, of_sums_.get(), memory_};
  GpuStream copies_{gpu_, of_copies_.get(), memory_};
};

}  // namespace

cudaStream_t exchange_stream(Device& gpu) { return dynamic_cast<GpuDevice&>(gpu).exchange().get(); }

bool built_with_cuda() { return true; }

std::unique_ptr<Device> make_gpu_device(int index, const std::function<void()>& give_back) {
  return std::make_unique<GpuDevice>(index, give_back);
}

std::string name_on_bus(int index) {
  std::array<char, 64> name{};
  check_cuda(cudaDeviceGetPCIBusId(name.data(), static_cast<int>(name.size()), index),
             "cudaDeviceGetPCIBusId", index);
  return name.data();
}

}  // namespace vitrail::sharding
