// As much of CUDA, the language and the runtime, as this project uses, for C++ compilers. Linked with
// blocks.cpp and runtime.cpp in the place of CUDA; the headers in include/ give it CUDA's names.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

// NOLINTBEGIN(readability-identifier-naming, cppcoreguidelines-avoid-non-const-global-variables): CUDA's
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after another

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned along_x = 1, unsigned along_y = 1, unsigned along_z = 1)
      : x(along_x), y(along_y), z(along_z) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};

struct CUstream_st;
struct CUevent_st;
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNotReady = 600
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor = 75 };
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaEventBlockingSync = 1;
constexpr unsigned cudaHostRegisterDefault = 0;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the fiber that runs

namespace vitrail::tests::gpu_on_host {

void barrier();
// `value` of the thread number `partner` of this warp of 32.
double shuffled(double value, unsigned mask, unsigned partner);
// Shows each thread of a warp of 32 what all of them give.
void with_warp(const void* own, const std::function<void(const std::array<const void*, 32>&)>& look);
// A stream that is never late: with what LibTorch does on the host, in the order of the calls.
cudaStream_t stream_of_the_host();
cudaError_t put_on_stream(const cudaLaunchConfig_t& config, std::function<void()> kernel);

}  // namespace vitrail::tests::gpu_on_host

inline void __syncthreads() { vitrail::tests::gpu_on_host::barrier(); }

template <class Real>  // float or double
Real __shfl_xor_sync(unsigned mask, Real x, int distance) {
  const unsigned partner = (threadIdx.x % 32) ^ static_cast<unsigned>(distance);
  return static_cast<Real>(vitrail::tests::gpu_on_host::shuffled(x, mask, partner));
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
  return vitrail::tests::gpu_on_host::put_on_stream(*config, [=] { kernel(arguments...); });
}

cudaError_t cudaMalloc(void** address, std::size_t bytes);
cudaError_t cudaFree(void* address);
cudaError_t cudaMallocHost(void** address, std::size_t bytes);
cudaError_t cudaFreeHost(void* address);
cudaError_t cudaHostRegister(void* address, std::size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void* address);
cudaError_t cudaMemset(void* address, int value, std::size_t bytes);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaSetDevice(int index);
cudaError_t cudaGetDevice(int* index);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index);
cudaError_t cudaDeviceGetPCIBusId(char* name, int length, int index);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t status);
// NOLINTEND(readability-identifier-naming, cppcoreguidelines-avoid-non-const-global-variables)
