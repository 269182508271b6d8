#include "models/weights/weights.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class WeightsTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  template <class T>
  void add(const std::string& name, DataType type, std::vector<std::int64_t> shape,
           const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    storage_.emplace_back(bytes.begin(), bytes.end());
    tensors_[name] = {type, std::move(shape), {}};
    order_.push_back(name);
  }

  SafetensorsReader written() {
    for (std::size_t i = 0; i < order_.size(); ++i) tensors_[order_[i]].bytes = storage_[i];
    const std::filesystem::path path = directory_ / "weights.safetensors";
    write_safetensors(path, tensors_);
    return SafetensorsReader(path);
  }

  std::vector<Fit> fit(const std::vector<ParameterSpec>& specs) {
    return fit_weights(stored_tensors(written()), specs, "weights.safetensors");
  }

 private:
  std::filesystem::path directory_ = std::filesystem::path(::testing::TempDir()) /
                                     ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::vector<std::vector<std::byte>> storage_;
  std::vector<std::string> order_;
  std::map<std::string, TensorBytes> tensors_;
};

const std::vector<ParameterSpec> kSpecs = {{"a", {2, 2}, {}}, {"b", {3}, {}}, {"c", {1}, {}}};

TEST_F(WeightsTest, AFileThatFitsIsAccepted) {
  add<float>("a", DataType::f32, {2, 2}, {1, 2, 3, 4});
  add<double>("b", DataType::f64, {3}, {1, 2, 3});
  add<std::uint16_t>("c", DataType::bf16, {1}, {0x3f80});
  EXPECT_EQ(fit(kSpecs), std::vector<Fit>(3, Fit::as_stored));
}

TEST_F(WeightsTest, AnotherGridIsResizedAndAnotherHeadBeginsAnew) {
  const std::vector<ParameterSpec> specs = {{"pos_embed", {1, 10, 2}, {}, Role::position},
                                            {"head.weight", {5, 2}, {}, Role::weight, true},
                                            {"head.bias", {5}, {}, Role::bias, true},
                                            {"norm.bias", {2}, {}}};
  add<float>("pos_embed", DataType::f32, {1, 5, 2}, std::vector<float>(10));
  add<float>("head.weight", DataType::f32, {3, 2}, std::vector<float>(6));
  add<float>("head.bias", DataType::f32, {3}, std::vector<float>(3));
  add<float>("norm.bias", DataType::f32, {2}, {1, 2});
  add<std::int64_t>("norm.num_batches_tracked", DataType::i64, {}, {7});
  EXPECT_EQ(fit(specs), (std::vector{Fit::resized, Fit::fresh, Fit::fresh, Fit::as_stored}));
}

TEST_F(WeightsTest, HeadsOfOneFileHaveOneNumberOfClasses) {
  const std::vector<ParameterSpec> specs = {{"head.weight", {5, 2}, {}, Role::weight, true},
                                            {"head.bias", {5}, {}, Role::bias, true}};
  for (const auto& [rows, entries] : {std::pair<std::int64_t, std::int64_t>{5, 4}, {3, 4}}) {
    EXPECT_THROW(
        fit_weights({{"head.weight", {DataType::f32, {rows, 2}}}, {"head.bias", {DataType::f32, {entries}}}},
                    specs, "x"),
        Error);
  }
}

TEST_F(WeightsTest, WhatNoInterpolationReachesIsAMisfit) {
  // Another width, another number of leading tokens, no square; a head of another width.
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{1, 5, 3}, {1, 4, 2}, {1, 7, 2}}) {
    const StoredTensor stored{DataType::f32, shape};
    EXPECT_THROW(fit_weights({{"pos_embed", stored}}, {{"pos_embed", {1, 10, 2}, {}, Role::position}}, "x"),
                 Error);
  }
  EXPECT_THROW(fit_weights({{"head.weight", {DataType::f32, {3, 4}}}},
                           {{"head.weight", {5, 2}, {}, Role::weight, true}}, "x"),
               Error);
  EXPECT_THROW(fit_weights({{"norm.bias", {DataType::f32, {3}}}}, {{"norm.bias", {2}, {}}}, "x"), Error);
}

TEST_F(WeightsTest, ANetworkThatWasCutOffBeforeItsHeadGetsANewOne) {
  const std::vector<ParameterSpec> specs = {{"norm.bias", {2}, {}},
                                            {"head.weight", {5, 2}, {}, Role::weight, true},
                                            {"head.bias", {5}, {}, Role::bias, true}};
  EXPECT_EQ(fit_weights({{"norm.bias", {DataType::f32, {2}}}}, specs, "x"),
            (std::vector{Fit::as_stored, Fit::fresh, Fit::fresh}));
  // Half a head is a damaged one.
  EXPECT_THROW(fit_weights({{"norm.bias", {DataType::f32, {2}}}, {"head.weight", {DataType::f32, {5, 2}}}},
                           specs, "x"),
               Error);
}

TEST(WrapperPrefix, IsFoundHoweverDeepAndLeftOut) {
  const auto of = [](const std::vector<std::string>& names) {
    std::map<std::string, StoredTensor> stored;
    for (const std::string& name : names) stored[name] = {};
    return wrapper_prefix(stored, kSpecs);
  };
  EXPECT_EQ(of({"a", "b", "c"}), "");
  for (const char* prefix : {"module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.",
                             "model.module._orig_mod.", "model.model."}) {
    const std::string p = prefix;
    EXPECT_EQ(of({p + "a", p + "b", p + "c"}), p);
    EXPECT_EQ(of({p + "b", "loss.weight"}), p) << "others are listed as not in the model";
  }
  EXPECT_EQ(of({"a", "module.b"}), "") << "names of ours as they are";
  EXPECT_EQ(of({"module.x"}), "") << "nothing of the model behind it";
  EXPECT_EQ(of({"encoder.a"}), "");
  EXPECT_EQ(of({}), "");
  const auto names = without_prefix({{"module.a", {}}, {"b", {}}}, "module.");
  EXPECT_TRUE(names.contains("a") && names.contains("b") && names.size() == 2);
}

// PyTorch's batch norms write how many batches they saw; no network here has a use for it.
TEST_F(WeightsTest, CountsOfBatchNormsArePassedOver) {
  add<float>("a", DataType::f32, {2, 2}, {1, 2, 3, 4});
  add<float>("b", DataType::f32, {3}, {1, 2, 3});
  add<float>("c", DataType::f32, {1}, {1});
  add<std::int64_t>("stem.bn.num_batches_tracked", DataType::i64, {}, {7});
  EXPECT_NO_THROW(fit(kSpecs));
}

TEST_F(WeightsTest, AllDifferencesAreListedAtOnce) {
  add<float>("a", DataType::f32, {4}, {1, 2, 3, 4});
  add<std::int64_t>("b", DataType::i64, {3}, {1, 2, 3});
  add<float>("head_dist.weight", DataType::f32, {1}, {1});
  add<float>("head_dist.bias", DataType::f32, {1}, {1});
  try {
    fit(kSpecs);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_data);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("weights.safetensors"), HasSubstr("missing: c;"),
                                    HasSubstr("not in the model: head_dist.bias, head_dist.weight"),
                                    HasSubstr("a is F32 [4], wanted [2, 2]"),
                                    HasSubstr("b is I64 [3], wanted floating-point [3]")));
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(WeightsTest, ANetworkOfManyOtherNamesIsNoLongStory) {
  for (int k = 0; k < 100; ++k) add<float>(fmt::format("x{:02}", k), DataType::f32, {1}, {1});
  try {
    fit(kSpecs);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("not in the model: x00, x01, x02, x03 and 96 more"));
  }
}

TEST_F(WeightsTest, SlicesOfEveryTypeAreRead) {
  add<float>("single", DataType::f32, {5}, {0.5F, 1.5F, 2.5F, 3.5F, 4.5F});
  add<double>("double", DataType::f64, {5}, {0.1, 1.1, 2.1, 3.1, 4.1});
  add<std::uint16_t>("half", DataType::f16, {3}, {0x3c00, 0xc000, 0x3800});
  add<std::uint16_t>("brain", DataType::bf16, {3}, {0x3f80, 0xc000, 0x3f00});
  add<std::int32_t>("integer", DataType::i32, {2}, {1, 2});
  const SafetensorsReader file = written();
  const auto slice = [&](const std::string& name, std::int64_t begin, std::size_t count) {
    std::vector<double> out(count);
    read_weights(file, name, begin, out);
    return out;
  };
  EXPECT_EQ(slice("single", 1, 3), (std::vector<double>{1.5, 2.5, 3.5}));
  EXPECT_EQ(slice("double", 3, 2), (std::vector<double>{3.1, 4.1}));
  EXPECT_EQ(slice("half", 1, 2), (std::vector<double>{-2, 0.5}));
  EXPECT_EQ(slice("brain", 0, 3), (std::vector<double>{1, -2, 0.5}));
  EXPECT_TRUE(slice("single", 5, 0).empty());
  EXPECT_THROW(slice("single", 3, 3), Error);
  EXPECT_THROW(slice("half", -1, 2), Error);
  EXPECT_THROW(slice("integer", 0, 2), Error);
  EXPECT_THROW(slice("absent", 0, 1), Error);
}

}  // namespace
}  // namespace vitrail::models
