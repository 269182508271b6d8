// Small networks of every family beside those of kinds_test, as tests/peers/make_family_fixtures.py makes
// them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/families/families.hpp"

namespace vitrail::models {

inline constexpr std::int64_t kFamilyClasses = 5;

template <class Config>
Config small_network(std::int64_t image_size) {
  Config config;
  config.name = "small";
  config.image_size = image_size;
  config.classes = kFamilyClasses;
  config.drop_path = 0.4;
  return config;
}

inline ResNetConfig small_resnet(bool bottleneck, const std::array<std::int64_t, 4>& widths,
                                 const std::array<std::int64_t, 4>& depths) {
  auto config = small_network<ResNetConfig>(37);
  config.bottleneck = bottleneck;
  config.stem = 8;
  config.widths = widths;
  config.depths = depths;
  return config;
}

inline ResNetConfig small_attn() {
  ResNetConfig config = small_resnet(true, {4, 4, 4, 4}, {1, 1, 1, 1});
  config.attention_pooling = true;
  return config;
}

template <class Config>
Config small_transformer(std::int64_t image_size, std::int64_t patch, std::int64_t depth,
                         std::int64_t heads) {
  auto config = small_network<Config>(image_size);
  config.patch = patch;
  config.width = 16;
  config.depth = depth;
  config.heads = heads;
  config.layer_scale = 0.1;
  return config;
}

inline VitConfig small_hmlp() {
  auto config = small_transformer<VitConfig>(48, 16, 2, 2);
  config.hmlp = true;
  return config;
}

inline XcitConfig small_xcit(std::int64_t patch, std::int64_t image_size, bool tokens_are_normed) {
  auto config = small_transformer<XcitConfig>(image_size, patch, 2, 2);
  config.tokens_are_normed = tokens_are_normed;
  return config;
}

inline PatchConvNetConfig small_patchconvnet(bool token_for_each_class, bool batch_normed) {
  auto config = small_transformer<PatchConvNetConfig>(48, 16, 2, 1);
  config.token_for_each_class = token_for_each_class;
  config.batch_normed = batch_normed;
  return config;
}

inline ConvitConfig small_convit() {
  auto config = small_transformer<ConvitConfig>(12, 4, 4, 4);
  config.layer_scale = 0;
  config.drop_path_law = DropPathLaw::linear;
  return config;
}

inline LevitConfig small_levit() {
  auto config = small_network<LevitConfig>(64);
  config.drop_path_law = DropPathLaw::constant;
  config.key = 4;
  config.stages = {{{8, 2, 2}, {12, 3, 1}, {16, 2, 1}}};
  return config;
}

struct SmallNetwork {
  std::string fixture;
  FamilyConfig config;
  int branches;  // of a layer
};

inline std::vector<SmallNetwork> small_networks() {
  return {{"resnet_basic", small_resnet(false, {8, 8, 12, 16}, {2, 1, 1, 1}), 1},
          {"resnet_bottleneck", small_resnet(true, {4, 4, 4, 8}, {1, 2, 1, 1}), 1},
          {"resmlp", small_transformer<ResMlpConfig>(14, 4, 2, 1), 2},
          {"vit_hmlp", small_hmlp(), 2},
          {"xcit_p16", small_xcit(16, 48, true), 3},
          {"xcit_p8", small_xcit(8, 24, false), 3},
          {"patchconvnet", small_patchconvnet(false, false), 1},
          {"patchconvnet_multi", small_patchconvnet(true, false), 1},
          {"patchconvnet_bn", small_patchconvnet(false, true), 1},
          {"resnet_attn", small_attn(), 1},
          {"convit", small_convit(), 2},
          {"levit", small_levit(), 2}};
}

}  // namespace vitrail::models
