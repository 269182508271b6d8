// Counts what a program asks of a GPU by CUDA's own records: kernels and the milliseconds that they take,
// copies, fills, waits. The driver loads this library where CUDA_INJECTION64_PATH names it; when the program
// ends, the counts go as a JSON object to the file that VITRAIL_KERNEL_COUNTS names.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <cupti.h>

namespace {

struct Counts {
  std::atomic<std::int64_t> kernels, kernel_nanoseconds, copies, fills, waits, lost;
};
Counts counts;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): CUPTI's callbacks have nothing
                // else

constexpr std::size_t kBuffer = 4 << 20, kAlignment = 8;  // bytes

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, kBuffer));
  *size = *buffer == nullptr ? 0 : kBuffer;
  *most_records = 0;  // as many as fit
}

void count(const CUpti_Activity& record) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto& kernel = reinterpret_cast<const CUpti_ActivityKernel9&>(record);
      ++counts.kernels;
      counts.kernel_nanoseconds += static_cast<std::int64_t>(kernel.end - kernel.start);
      return;
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      ++counts.copies;
      return;
    case CUPTI_ACTIVITY_KIND_MEMSET:
      ++counts.fills;
      return;
    case CUPTI_ACTIVITY_KIND_SYNCHRONIZATION:
      ++counts.waits;
      return;
    default:
      return;
  }
}

void CUPTIAPI take_buffer(CUcontext context, std::uint32_t stream, std::uint8_t* buffer, std::size_t,
                          std::size_t valid) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) count(*record);
  std::size_t dropped = 0;
  if (cuptiActivityGetNumDroppedRecords(context, stream, &dropped) == CUPTI_SUCCESS)
    counts.lost += static_cast<std::int64_t>(dropped);
  std::free(buffer);
}

void write_counts() {
  cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  const char* const path = std::getenv("VITRAIL_KERNEL_COUNTS");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "w");
  if (file == nullptr) return;
  constexpr double kNanosecondsAMillisecond = 1e6;
  std::fprintf(file,
               "{\"kernels\": %ld, \"kernel_ms\": %.3f, \"copies\": %ld, \"fills\": %ld, \"waits\": %ld, "
               "\"records_lost\": %ld}\n",
               counts.kernels.load(),
               static_cast<double>(counts.kernel_nanoseconds.load()) / kNanosecondsAMillisecond,
               counts.copies.load(), counts.fills.load(), counts.waits.load(), counts.lost.load());
  std::fclose(file);
}

}  // namespace

// Called by the driver as it begins. NOLINTNEXTLINE(readability-identifier-naming): its name
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  if (cuptiActivityRegisterCallbacks(give_buffer, take_buffer) != CUPTI_SUCCESS) return 0;
  for (const CUpti_ActivityKind kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                        CUPTI_ACTIVITY_KIND_MEMSET, CUPTI_ACTIVITY_KIND_SYNCHRONIZATION}) {
    if (cuptiActivityEnable(kind) != CUPTI_SUCCESS) return 0;
  }
  return std::atexit(write_counts) == 0 ? 1 : 0;
}
