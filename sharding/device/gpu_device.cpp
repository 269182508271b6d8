#include "sharding/device/gpu_device.hpp"

#include <array>
#include <new>

#include "sharding/device/cuda_handles.hpp"
#include "sharding/device/gpu_kernels.hpp"

namespace vitrail::sharding {
namespace {

// A run of the GPU's memory that grows as it is asked for more.
class GpuScratch {
 public:
  explicit GpuScratch(int gpu) : gpu_(gpu) {}
  ~GpuScratch() { cudaFree(bytes_); }
  GpuScratch(const GpuScratch&) = delete;
  GpuScratch& operator=(const GpuScratch&) = delete;

  void* room(std::size_t bytes) {
    if (bytes <= size_) return bytes_;
    check_cuda(cudaFree(bytes_), "cudaFree", gpu_);  // waits for what uses it
    bytes_ = nullptr;
    size_ = 0;
    check_cuda(cudaMalloc(&bytes_, bytes), "cudaMalloc", gpu_);
    size_ = bytes;
    return bytes_;
  }

 private:
  int gpu_;
  void* bytes_ = nullptr;
  std::size_t size_ = 0;
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
  GpuStream(int gpu, cudaStream_t stream) : gpu_(gpu), stream_(stream), runs_(gpu), squares_(gpu) {}

  void copy(const std::byte* from, std::size_t bytes, std::byte* to) override {
    use_gpu(gpu_);
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "cudaMemcpyAsync", gpu_);
  }

  void add(DataType type, const std::byte* left, const std::byte* right, std::int64_t n,
           std::byte* to) override {
    use_gpu(gpu_);
    gpu::launch_add(stream_, type, left, right, n, to);
    check_cuda(cudaGetLastError(), "a kernel that adds", gpu_);
  }

  void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) override {
    use_gpu(gpu_);
    gpu::launch_widen(stream_, type, from, n, to);
    check_cuda(cudaGetLastError(), "a kernel that widens", gpu_);
  }

  void update(UpdateKernel kernel, DataType type, std::span<const UpdateRun> runs,
              std::span<Squares> squares) override {
    if (runs.empty()) return;
    use_gpu(gpu_);
    auto* on_gpu = static_cast<UpdateRun*>(runs_.room(runs.size_bytes()));
    auto* sums = static_cast<Squares*>(squares.empty() ? nullptr : squares_.room(squares.size_bytes()));
    copy(std::as_bytes(runs).data(), runs.size_bytes(), reinterpret_cast<std::byte*>(on_gpu));
    gpu::launch_update(stream_, kernel, type, on_gpu, static_cast<std::int64_t>(runs.size()), sums);
    check_cuda(cudaGetLastError(), "an update kernel", gpu_);
    if (squares.empty()) return;
    copy(reinterpret_cast<const std::byte*>(sums), squares.size_bytes(),
         std::as_writable_bytes(squares).data());
    finish();
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
  int gpu_;
  cudaStream_t stream_;
  GpuScratch runs_, squares_;
};

class GpuDevice final : public Device {
 public:
  explicit GpuDevice(int gpu) : gpu_(gpu) {}

  std::byte* allocate(std::size_t bytes, Memory memory) override {
    use_gpu(gpu_);
    void* address = nullptr;
    const cudaError_t status =
        memory == Memory::pinned ? cudaMallocHost(&address, bytes) : cudaMalloc(&address, bytes);
    if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
    check_cuda(status, "cudaMalloc", gpu_);
    check_cuda(cudaMemset(address, 0, bytes), "cudaMemset", gpu_);
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize", gpu_);  // for the other stream
    return static_cast<std::byte*>(address);
  }

  void release(std::byte* bytes, Memory memory) noexcept override {
    cudaSetDevice(gpu_);
    memory == Memory::pinned ? cudaFreeHost(bytes) : cudaFree(bytes);
  }

  Stream& compute() override { return compute_; }
  GpuStream& exchange() override { return exchange_; }
  std::int64_t elements_at_once() const override { return std::int64_t{1} << 40; }

 private:
  int gpu_;
  CudaStream own_{gpu_};
  GpuStream compute_{gpu_, nullptr};
  GpuStream exchange_{gpu_, own_.get()};
};

}  // namespace

cudaStream_t exchange_stream(Device& gpu) { return dynamic_cast<GpuDevice&>(gpu).exchange().get(); }

bool built_with_cuda() { return true; }

std::unique_ptr<Device> make_gpu_device(int index) { return std::make_unique<GpuDevice>(index); }

std::string name_on_bus(int index) {
  std::array<char, 64> name{};
  check_cuda(cudaDeviceGetPCIBusId(name.data(), static_cast<int>(name.size()), index),
             "cudaDeviceGetPCIBusId", index);
  return name.data();
}

}  // namespace vitrail::sharding
