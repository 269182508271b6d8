// GoogleTest's main for programs that link CUDA as the host: every test in every manner, in turn.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/gpu_on_host/gpu_on_host.hpp"

namespace vitrail::tests::gpu_on_host {
namespace {

class InEveryManner : public testing::EmptyTestEventListener {
 public:
  void OnTestIterationStart(const testing::UnitTest&, int iteration) override {
    const Manner manner = kManners.at(static_cast<std::size_t>(iteration) % kManners.size());
    set_manner(manner);
    const std::array names{"ascending", "descending", "shuffled"};
    fmt::print("threads {}, streams {}\n", names.at(static_cast<std::size_t>(manner.threads)),
               manner.late ? "as late as may be" : "at once");
  }
};

}  // namespace
}  // namespace vitrail::tests::gpu_on_host

int main(int count, char** words) {
  namespace gpu = vitrail::tests::gpu_on_host;
  GTEST_FLAG_SET(repeat, static_cast<int>(gpu::kManners.size()));
  testing::InitGoogleTest(&count, words);
  testing::UnitTest::GetInstance()->listeners().Append(new gpu::InEveryManner);  // GoogleTest owns it
  return RUN_ALL_TESTS();
}
