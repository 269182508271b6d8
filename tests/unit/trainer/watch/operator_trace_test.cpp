#include "trainer/watch/operator_trace.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/profiler/stubs/base.h>

namespace vitrail::trainer {
namespace {

using nlohmann::json;
using testing::ElementsAre;

TEST(OperatorTrace, HasOperatorsOfForwardAndBackwardInsideOfTheTimeThatTheyTook) {
  StepTrace trace;
  const at::Tensor weight = at::ones({8, 8}).requires_grad_();
  const auto begin = StepTrace::Clock::now();
  {
    const OperatorTrace operators(trace, c10::kCPU);
    at::ones({4, 8}).mm(weight).sum().backward();
  }
  const double took = std::chrono::duration<double, std::micro>(StepTrace::Clock::now() - begin).count();
  constexpr double kClocks = 1000;  // us by which wall time and ours may differ
  int products = 0;
  for (const json& event : json::parse(trace.events(0, "here", begin))) {
    if (event["ph"] != "X") continue;
    products += event["name"] == "aten::mm";
    EXPECT_GT(event["ts"], -kClocks);
    EXPECT_LT(event["ts"].get<double>() + event["dur"].get<double>(), took + kClocks);
  }
  EXPECT_GE(products, 2);
  at::ones({2}).add(1);
  EXPECT_EQ(json::parse(trace.events(0, "here", StepTrace::Clock::now())).size(), 2) << "it went on";
}

// As LibTorch of a GPU has them.
class Told final : public torch::profiler::impl::ProfilerStubs {
 public:
  explicit Told(std::vector<std::string>& words) : words_(words) {}
  void record(c10::DeviceIndex*, torch::profiler::impl::ProfilerVoidEventStub*, int64_t*) const override {}
  float elapsed(const torch::profiler::impl::ProfilerVoidEventStub*,
                const torch::profiler::impl::ProfilerVoidEventStub*) const override {
    return 0;
  }
  void mark(const char*) const override {}
  void rangePush(const char* name) const override { words_.emplace_back(name); }
  void rangePop() const override { words_.emplace_back("end"); }
  bool enabled() const override { return true; }
  void onEachDevice(std::function<void(int)>) const override {}
  void synchronize() const override {}

 private:
  std::vector<std::string>& words_;
};

TEST(ProfilerRange, IsToldToProfilersOutsideWhereThereIsAGpu) {
  std::vector<std::string> words;
  { const StepPart nobody(nullptr, "forward of lane 0"); }
  Told told(words);
  auto* const before = const_cast<torch::profiler::impl::ProfilerStubs*>(torch::profiler::impl::cudaStubs());
  torch::profiler::impl::registerCUDAMethods(&told);
  {
    const StepPart outer(nullptr, "forward of lane 1");
    const StepPart inner(nullptr, "wait for weights of block 2");
  }
  torch::profiler::impl::registerCUDAMethods(before);
  EXPECT_THAT(words, ElementsAre("forward of lane 1", "wait for weights of block 2", "end", "end"));
}

}  // namespace
}  // namespace vitrail::trainer
