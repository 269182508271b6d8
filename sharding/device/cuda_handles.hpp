// RAII of CUDA's streams and events, and the status of a call as an exception that names the call and the
// GPU.
#pragma once

#include <cuda_runtime_api.h>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

class Device;

inline void check_cuda(cudaError_t status, const char* call, int gpu) {
  if (status == cudaSuccess) return;
  throw Error(
      ExitCode::crash, fmt::format("{} failed on GPU {}: {}", call, gpu, cudaGetErrorString(status)),
      "the same command resumes from the last checkpoint; a GPU that fails again needs its node taken "
      "out");
}

// CUDA keeps the GPU in use by thread.
inline void use_gpu(int gpu) { check_cuda(cudaSetDevice(gpu), "cudaSetDevice", gpu); }

// A stream that waits for no other.
class CudaStream {
 public:
  explicit CudaStream(int gpu) {
    use_gpu(gpu);
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate", gpu);
  }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Of a device of make_gpu_device: that of Device::exchange().
cudaStream_t exchange_stream(Device& gpu);

// A place in a stream.
class CudaEvent {
 public:
  explicit CudaEvent(int gpu) : gpu_(gpu) {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming | cudaEventBlockingSync),
               "cudaEventCreate", gpu);
  }
  ~CudaEvent() { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  void record(cudaStream_t stream) const {
    check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord", gpu_);
  }
  // What the stream is given from now on begins after this place.
  void hold_back(cudaStream_t stream) const {
    check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent", gpu_);
  }
  void wait() const { check_cuda(cudaEventSynchronize(event_), "cudaEventSynchronize", gpu_); }
  bool reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    check_cuda(status, "cudaEventQuery", gpu_);
    return true;
  }

 private:
  int gpu_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace vitrail::sharding
