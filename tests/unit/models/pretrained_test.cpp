#include "models/weights/pretrained.hpp"

#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/families/catalogue.hpp"

namespace vitrail::models {
namespace {

nlohmann::json of_timm() {
  std::ifstream file(std::string(VITRAIL_FIXTURES) + "/models/pretrained.json");
  return nlohmann::json::parse(file);
}

Normalisation read(const nlohmann::json& entry) {
  return {entry.at("mean").get<ChannelValues>(), entry.at("std").get<ChannelValues>()};
}

TEST(Pretrained, EveryNameAndTagOfTimmsIsNormalisedAsTimmDoesIt) {
  int tags = 0;
  const auto table = of_timm();  // items() looks into it
  for (const auto& [name, entry] : table.items()) {
    const auto& told = entry.at("normalisation");
    for (const auto& [tag, values] : told.items()) {
      const std::string tagged = fmt::format("{}.{}", name, tag);
      EXPECT_EQ(pretrained_normalisation(tagged), read(values)) << name << " " << tag;
      EXPECT_TRUE(is_known_model(tagged) || name == "regnety_160") << name;
      ++tags;
    }
    EXPECT_EQ(pretrained_normalisation(name), read(told.at(entry.at("default").get<std::string>()))) << name;
  }
  EXPECT_GT(tags, 50);
}

TEST(Pretrained, NoAliasOfOursIsMissingFromTheComparison) {
  const auto compared = of_timm();
  for (const std::string& alias : model_aliases()) EXPECT_TRUE(compared.contains(alias)) << alias;
}

TEST(Pretrained, OtherNamesTellNothing) {
  for (const char* name : {"", ".", "vit_b16", "deit_b16", "vit_base_patch16_224.unheard_of", "weights",
                           "model", "resnet50", "vit_base_patch16_225", ".augreg_in21k"})
    EXPECT_EQ(pretrained_normalisation(name), std::nullopt) << name;
}

TEST(Pretrained, ATagIsNoPartOfTheNetworksName) {
  EXPECT_TRUE(is_known_model("vit_base_patch16_224.dino"));
  EXPECT_FALSE(is_known_model("vit_b16.dino"));
  EXPECT_FALSE(is_known_model(".dino"));
  EXPECT_FALSE(is_known_model(""));
  EXPECT_EQ(image_size_of_name("vit_base_patch16_384.augreg_in1k"), 384);
  ModelConfig config;
  config.name = "vit_small_patch16_224.dino";
  EXPECT_EQ(describe_model(config).name, "deit_s16");
}

}  // namespace
}  // namespace vitrail::models
