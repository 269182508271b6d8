#include "trainer/weights/weight_normalisation.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class WeightNormalisation : public testing::Test {
 protected:
  WeightNormalisation() { fs::create_directories(folder_); }
  ~WeightNormalisation() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, const std::map<std::string, std::string>& metadata = {}) const {
    const float value = 1;
    write_safetensors(folder_ / name, {{"a", {DataType::f32, {1}, std::as_bytes(std::span(&value, 1))}}},
                      metadata);
    return (folder_ / name).string();
  }

  std::string checkpoint(const std::map<std::string, std::string>& settings) const {
    CheckpointManifest manifest;
    manifest.settings = settings;
    fs::create_directories(folder_ / "step-00000003");
    write_text_atomically(folder_ / "step-00000003" / "manifest.json", to_json(manifest));
    return (folder_ / "step-00000003").string();
  }

  // The values, or nothing; `by` is checked on the way.
  static std::optional<Normalisation> told(const std::string& weights, const std::string& model,
                                           const std::string& by = "") {
    const auto found = told_normalisation(weights, model);
    if (!found) return std::nullopt;
    EXPECT_THAT(found->by, HasSubstr(by));
    return found->values;
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / fmt::format("vitrail_weight_normalisation_{}", ::getpid());
};

constexpr Normalisation kOther = {{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}};

TEST_F(WeightNormalisation, MetadataSaySoFirst) {
  const auto ours =
      file("vit_base_patch16_224.safetensors", {{"data.mean", "0.1,0.2,0.3"}, {"data.std", "0.4,0.5,0.6"}});
  EXPECT_EQ(told(ours, "vit_base_patch16_224", "the metadata of"), kOther);
  const auto plain = file("w.safetensors", {{"mean", "(0.1, 0.2, 0.3)"}, {"std", "[0.4, 0.5, 0.6]"}});
  EXPECT_EQ(told(plain, "vit_b16", "the metadata of"), kOther);
  for (const auto& metadata : std::vector<std::map<std::string, std::string>>{
           {{"mean", "0.5"}, {"std", "0.5,0.5,0.5"}},
           {{"data.mean", "123,116,103"}, {"data.std", "58,57,57"}},
           {{"mean", "0.5,0.5,0.5"}}})
    EXPECT_THROW(told_normalisation(file("bad.safetensors", metadata), "vit_b16"), Error);
  const auto pixels = file("pixels.safetensors", {{"mean", "123,116,103"}, {"std", "58,57,57"}});
  EXPECT_THAT([&] { told_normalisation(pixels, "vit_b16"); },
              testing::ThrowsMessage<Error>(HasSubstr("means of 0 to 1 and deviations of 1e-6 to 1")));
}

TEST_F(WeightNormalisation, ExportedFilesOfBeforeAreImageNets) {
  const auto exported = file("first.safetensors", {{"format", "pt"}, {"step", "20"}});
  EXPECT_EQ(told(exported, "vit_base_patch16_224", "an earlier vitrail"), kImageNet);
}

TEST_F(WeightNormalisation, HuggingFacesConfigBesideTheFile) {
  const auto model = file("model.safetensors", {{"format", "pt"}}), other = file("other.safetensors");
  write_text_atomically(folder_ / "config.json",
                        R"({"architecture": "vit_base_patch16_224", "num_features": 768, "pretrained_cfg": )"
                        R"({"tag": "x", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}})");
  EXPECT_EQ(told(model, "vit_base_patch16_224", "config.json"), kOther);
  EXPECT_EQ(told(other, "vit_b16"), std::nullopt) << "it speaks of model.safetensors";
  write_text_atomically(folder_ / "config.json", "{");
  EXPECT_EQ(told(model, "vit_b16"), std::nullopt);
}

TEST_F(WeightNormalisation, TimmsNamesOfTheModelOrTheFile) {
  const auto w = file("w.safetensors");
  EXPECT_EQ(told(w, "vit_base_patch16_224", "timm's name vit_base_patch16_224"), kHalves);
  EXPECT_EQ(told(w, "deit_base_patch16_224"), kImageNet);
  EXPECT_EQ(told(w, "vit_small_patch16_224.dino"), kImageNet);
  EXPECT_EQ(told(w, "deit_b16"), std::nullopt);
  EXPECT_EQ(told(w, "vit_base_patch16_224.my_own"), std::nullopt) << "weights that nobody here knows";
  EXPECT_EQ(told(file("vit_base_patch16_224.safetensors"), "deit_b16", "timm's name"), kHalves);
  // A tag tells more than a name without one, and that of the model more than that of a file.
  const auto dino = file("vit_small_patch16_224.dino.safetensors");
  EXPECT_EQ(told(dino, "vit_small_patch16_224", ".dino"), kImageNet);
  EXPECT_EQ(told(dino, "vit_small_patch16_224.augreg_in1k"), kHalves);
}

TEST_F(WeightNormalisation, ACheckpointsSettings) {
  EXPECT_EQ(
      told(checkpoint({{"data.mean", "0.1,0.2,0.3"}, {"data.std", "0.4,0.5,0.6"}}), "vit_base_patch16_224"),
      kOther);
  EXPECT_EQ(told(checkpoint({{"data.train", "packs/a"}}), "vit_base_patch16_224"), kImageNet)
      << "of before there were others";
  EXPECT_EQ(told(checkpoint({{"data.train", "tensor:a.safetensors"}}), "vit_base_patch16_224"), std::nullopt);
}

TEST_F(WeightNormalisation, WhatIsExportedIsToldAgain) {
  const std::map<std::string, std::string> other = {{"data.mean", "0.1,0.2,0.3"},
                                                    {"data.std", "0.4,0.5,0.6"}};
  EXPECT_EQ(told(file("a.safetensors", normalisation_metadata(other)), "deit_b16"), kOther);
  EXPECT_EQ(told(file("b.safetensors", normalisation_metadata({})), "vit_base_patch16_224"), kImageNet);
  const auto of_tensors = normalisation_metadata({{"data.train", "tensor:a"}});
  EXPECT_EQ(told(file("vit_base_patch16_224.safetensors", of_tensors), "vit_base_patch16_224"), std::nullopt);
}

TEST_F(WeightNormalisation, TheNoteTellsAgreementDifferenceAndIgnorance) {
  Config config;
  config.model.name = "vit_base_patch16_224";
  config.data.val = "packs/val";
  const auto w = file("w.safetensors");
  EXPECT_THAT(
      normalisation_note(config, w),
      testing::AllOf(
          HasSubstr("mean 0.485,0.456,0.406"),
          HasSubstr(
              "trained with mean 0.5,0.5,0.5 and std 0.5,0.5,0.5, by timm's name vit_base_patch16_224:"),
          HasSubstr("data.mean")));
  config.data.normalisation = kHalves;
  EXPECT_EQ(
      normalisation_note(config, w),
      "images are normalised with mean 0.5,0.5,0.5 and std 0.5,0.5,0.5, by timm's name vit_base_patch16_224");
  config.model.name = "deit_b16";
  EXPECT_THAT(normalisation_note(config, w),
              testing::StartsWith("nothing tells how images were normalised for "));
  config.data.val = "tensor:a.safetensors";
  EXPECT_EQ(normalisation_note(config, w), "") << "no image is normalised";
  config.data.val = "packs/val";
  EXPECT_EQ(
      normalisation_note(config, checkpoint({{"data.mean", "0.5,0.5,0.5"}, {"data.std", "0.5,0.5,0.5"}})),
      "");
  EXPECT_THAT(normalisation_note(config, checkpoint({})), HasSubstr(", by the settings of "));
}

}  // namespace
}  // namespace vitrail::trainer
