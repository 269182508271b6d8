// The sources beside packs: tensor files and the generator.
#include <cstring>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "datasets/image_folder.hpp"
#include "datasets/loader/loader.hpp"
#include "datasets/synthetic_dataset.hpp"
#include "datasets/tensor_dataset.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

// Tensor data sets of six images of 4 x 4, written into a folder of their own.
class TensorDatasetTest : public testing::Test {
 protected:
  TensorDatasetTest() {
    std::filesystem::create_directories(folder_);
    for (std::size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<double>(i) / 7.0 - 20.0;
  }
  ~TensorDatasetTest() override { std::filesystem::remove_all(folder_); }

  template <class Value>
  std::string write(const std::string& name, DataType type, std::vector<std::int64_t> shape = {6, 3, 4, 4}) {
    const std::vector<Value> values(pixels_.begin(), pixels_.end());
    std::map<std::string, TensorBytes> tensors;
    tensors["images"] = {type, std::move(shape), std::as_bytes(std::span(values))};
    const auto count = static_cast<std::int64_t>(labels_.size());
    tensors["labels"] = {DataType::i64, {count}, std::as_bytes(std::span(labels_))};
    const std::filesystem::path file = folder_ / name;
    write_safetensors(file, tensors);
    return file;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / fmt::format("vitrail-source-{}", ::getpid());
  std::vector<double> pixels_ = std::vector<double>(6 * 3 * 4 * 4);
  std::vector<std::int64_t> labels_ = {2, 0, 4, 1, 4, 0};
};

TEST_F(TensorDatasetTest, GivesTheTensorsOfTheFileAsFloat) {
  for (const auto& file : {write<float>("f32", DataType::f32), write<double>("f64", DataType::f64)}) {
    const auto dataset = open_tensor_dataset(file);
    EXPECT_EQ(dataset->size(), 6);
    EXPECT_EQ(dataset->classes(), 5);
    EXPECT_EQ(dataset->tensor_image_size(), 4);
    EXPECT_EQ(dataset->label(2), 4);
    EXPECT_EQ(dataset->describe(), "tensor:" + file);
    for (std::int64_t i = 0; i < 6; ++i) {
      const auto begin = pixels_.begin() + i * 48;
      EXPECT_EQ(dataset->read(i).tensor, std::vector<float>(begin, begin + 48)) << i;
    }
  }
}

TEST_F(TensorDatasetTest, FingerprintIsOfTheContent) {
  const auto first = open_tensor_dataset(write<float>("a", DataType::f32))->fingerprint();
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(open_tensor_dataset(write<float>("b", DataType::f32))->fingerprint(), first);
  labels_[3] = 2;
  EXPECT_NE(open_tensor_dataset(write<float>("c", DataType::f32))->fingerprint(), first);
  labels_[3] = 1;
  pixels_.back() += 1;
  EXPECT_NE(open_tensor_dataset(write<float>("d", DataType::f32))->fingerprint(), first);
}

TEST_F(TensorDatasetTest, OtherShapesTypesAndLabelsAreBadData) {
  const auto expect_bad = [](const std::string& file, const std::string& what) {
    try {
      open_tensor_dataset(file);
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      EXPECT_THAT(error.what(), HasSubstr(what));
    }
  };
  expect_bad(write<float>("shape", DataType::f32, {6, 4, 3, 4}), "[N, 3, S, S]");
  expect_bad(write<std::int64_t>("type", DataType::i64), "F32 or F64");
  labels_.pop_back();
  expect_bad(write<float>("count", DataType::f32), "tensor labels is I64 [5] instead of I64 [6]");
  labels_.push_back(-1);
  expect_bad(write<float>("negative", DataType::f32), "label -1 of image 5");
}

TEST_F(TensorDatasetTest, LoadersTakeTensorsAsTheyAreInFileOrder) {
  const auto dataset = open_tensor_dataset(write<float>("f32", DataType::f32));
  TrainLoaderOptions plan;
  plan.data.global_batch_size = 3;
  plan.data.order = Order::sequential;
  plan.views.front().image_size = 4;
  TrainLoader train(dataset, plan);
  EvaluationLoader evaluation(dataset, {}, {.image_size = 4, .crop_ratio = 1.0}, 6, 1);
  EvaluationBatch all;
  ASSERT_TRUE(evaluation.next(all));
  EXPECT_EQ(all.images, std::vector<float>(pixels_.begin(), pixels_.end()));
  EXPECT_EQ(all.labels, labels_);
  for (std::int64_t step = 0; step < 4; ++step) {
    const LaneBatch batch = train.next();
    const auto begin = all.images.begin() + step % 2 * 144;
    EXPECT_EQ(batch.views.front(), std::vector<float>(begin, begin + 144)) << step;
  }
}

TEST_F(TensorDatasetTest, AnotherImageSizeIsRefusedByName) {
  const auto dataset = open_tensor_dataset(write<float>("f32", DataType::f32));
  TrainLoaderOptions plan;
  plan.data.global_batch_size = 3;
  plan.views.front().image_size = 8;
  const auto refused = testing::ThrowsMessage<Error>(HasSubstr("model.image_size = 8"));
  EXPECT_THAT([&] { TrainLoader(dataset, plan); }, refused);
  EXPECT_THAT([&] { EvaluationLoader(dataset, {}, {.image_size = 8, .crop_ratio = 1.0}, 6, 1); }, refused);
}

TEST(SyntheticDatasetTest, SpecificationDecidesTheContent) {
  const auto dataset = open_synthetic_dataset("100,10,24");
  EXPECT_EQ(dataset->size(), 100);
  EXPECT_EQ(dataset->classes(), 10);
  EXPECT_EQ(dataset->describe(), "synthetic:100,10,24");
  EXPECT_EQ(dataset->read(7).image.width, 24);
  EXPECT_EQ(dataset->read(7).image.rgb.size(), 24U * 24 * 3);
  EXPECT_EQ(dataset->read(7).image.rgb, open_synthetic_dataset("100,10,24")->read(7).image.rgb);
  EXPECT_NE(dataset->read(7).image.rgb, dataset->read(17).image.rgb);
  EXPECT_NE(dataset->fingerprint(), open_synthetic_dataset("101,10,24")->fingerprint());
}

// A classifier that knows only each class's mean colour is already far above chance: there is something to
// learn.
TEST(SyntheticDatasetTest, ClassesCanBeTold) {
  const auto dataset = open_synthetic_dataset("400,10,24");
  const auto colour = [&](std::int64_t i) {
    std::array<double, 3> mean{};
    const auto rgb = dataset->read(i).image.rgb;
    for (std::size_t k = 0; k < rgb.size(); ++k) mean[k % 3] += rgb[k] / (24.0 * 24.0);
    return mean;
  };
  std::map<std::int64_t, std::array<double, 3>> centres;
  for (std::int64_t i = 0; i < 200; ++i) {
    const auto mean = colour(i);
    for (std::size_t c = 0; c < 3; ++c) centres[dataset->label(i)][c] += mean[c] / 20;
  }
  int right = 0;
  for (std::int64_t i = 200; i < 400; ++i) {
    const auto mean = colour(i);
    const auto distance = [&](const std::array<double, 3>& centre) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) sum += (mean[c] - centre[c]) * (mean[c] - centre[c]);
      return sum;
    };
    const auto nearest = std::min_element(centres.begin(), centres.end(), [&](const auto& a, const auto& b) {
      return distance(a.second) < distance(b.second);
    });
    right += nearest->first == dataset->label(i);
  }
  EXPECT_GT(right, 120);  // chance: 20
}

TEST(SyntheticDatasetTest, MalformedSpecificationsAreUsageErrors) {
  for (const char* spec :
       {"", "10", "10,2", "10,2,", "10,2,0", "0,2,8", "10,2,8,1", "10,2,x", "10, 2,8", "10,2,5000"}) {
    try {
      open_synthetic_dataset(spec);
      FAIL() << spec;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.what(), HasSubstr(std::string("synthetic:") + spec));
    }
  }
}

// Each is its own damage, and none of the others'.
TEST(ImageFolder, WhatCannotBeReadIsOneImagesDamage) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / fmt::format("vitrail-photos-{}", ::getpid());
  fs::create_directories(folder);
  for (const char* name : {"a.png", "b.png", "caf\xe9.png"}) write_text_atomically(folder / name, "no image");
  fs::create_symlink("nowhere", folder / "link.png");
  const auto photos = open_image_folder(folder);
  fs::remove(folder / "b.png");  // after it was listed
  ASSERT_EQ(photos->size(), 4);
  EXPECT_EQ(photos->read(0).encoded.size(), 8U);
  const std::vector<std::string> why = {"No such file", "the name is not UTF-8", "No such file"};
  for (std::int64_t i = 1; i < 4; ++i) {
    EXPECT_THAT([&] { photos->read(i); },
                testing::ThrowsMessage<DamagedRecord>(HasSubstr(why[static_cast<std::size_t>(i - 1)])));
  }
  EXPECT_EQ(photos->name(2), "caf\\xe9.png");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace vitrail::datasets
