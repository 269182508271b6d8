// tests/bench/gpu/count_kernels.cpp without a GPU: functions of CUPTI's names hand it records.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include <cupti.h>
#include <gtest/gtest.h>

extern "C" int InitializeInjection();

namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): C functions have nowhere else to look
CUpti_BuffersCallbackRequestFunc request = nullptr;
CUpti_BuffersCallbackCompleteFunc complete = nullptr;
std::vector<CUpti_ActivityKind> enabled;
CUptiResult answer = CUPTI_SUCCESS;
std::vector<CUpti_Activity*> records;  // of the one buffer
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

CUpti_Activity* record(CUpti_ActivityKind kind, std::uint64_t nanoseconds = 0) {
  static std::vector<std::unique_ptr<CUpti_ActivityKernel9>> all;  // the largest kind of record
  all.push_back(std::make_unique<CUpti_ActivityKernel9>());
  all.back()->kind = kind;
  all.back()->start = 1000;
  all.back()->end = 1000 + nanoseconds;
  return reinterpret_cast<CUpti_Activity*>(all.back().get());
}

void fill_a_buffer() {
  std::uint8_t* buffer = nullptr;
  std::size_t size = 0, most = 1;
  request(&buffer, &size, &most);
  if (size == 0 || most != 0) std::abort();
  complete(nullptr, 0, buffer, size, size);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): CUPTI's names
CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc give,
                                           CUpti_BuffersCallbackCompleteFunc take) {
  request = give;
  complete = take;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind) {
  enabled.push_back(kind);
  return answer;
}
CUptiResult cuptiActivityGetNextRecord(std::uint8_t*, std::size_t, CUpti_Activity** next) {
  if (records.empty()) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *next = records.front();
  records.erase(records.begin());
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, std::uint32_t, std::size_t* dropped) {
  *dropped = 2;
  return CUPTI_SUCCESS;
}
// What the GPU still had comes at the end.
CUptiResult cuptiActivityFlushAll(std::uint32_t) {
  records = {record(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, 2'000'000)};
  fill_a_buffer();
  return CUPTI_SUCCESS;
}
// NOLINTEND(readability-identifier-naming)

namespace {

[[noreturn]] void be_counted() {
  if (InitializeInjection() != 1 || enabled.size() != 4) std::abort();
  records = {record(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, 500'000),
             record(CUPTI_ACTIVITY_KIND_MEMCPY),
             record(CUPTI_ACTIVITY_KIND_MEMSET),
             record(CUPTI_ACTIVITY_KIND_SYNCHRONIZATION),
             record(CUPTI_ACTIVITY_KIND_MEMCPY),
             record(CUPTI_ACTIVITY_KIND_NAME)};
  fill_a_buffer();
  std::exit(0);
}

TEST(CountKernelsTest, AtTheEndTheCountsAreInTheFile) {
  const auto path = std::filesystem::temp_directory_path() / "vitrail-kernel-counts.json";
  std::filesystem::remove(path);
  ASSERT_EQ(::setenv("VITRAIL_KERNEL_COUNTS", path.c_str(), 1), 0);
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(be_counted(), testing::ExitedWithCode(0), "");
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(),
            "{\"kernels\": 2, \"kernel_ms\": 2.500, \"copies\": 2, \"fills\": 1, \"waits\": 1, "
            "\"records_lost\": 4}\n");
  std::filesystem::remove(path);
}

TEST(CountKernelsTest, WhatCuptiRefusesIsNotCounted) {
  answer = CUPTI_ERROR_INSUFFICIENT_PRIVILEGES;
  EXPECT_EQ(InitializeInjection(), 0);
  answer = CUPTI_SUCCESS;
}

}  // namespace
