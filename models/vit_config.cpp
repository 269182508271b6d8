#include "models/vit_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/nearest.hpp"

namespace vitrail::models {
namespace {

struct Size {
  const char* name;
  const char* alias;  // timm's name; empty where timm has none
  std::int64_t patch, width, depth, heads;
};

// vit_xxs4 is ours, for images of some 30 pixels; the rest are published (Touvron et al. 2022, table 1; Ti:
// DeiT).
constexpr std::array<Size, 6> kSizes = {{{"vit_xxs4", "", 4, 128, 6, 4},
                                         {"vit_ti16", "", 16, 192, 12, 3},
                                         {"vit_s16", "deit3_small_patch16_224", 16, 384, 12, 6},
                                         {"vit_b16", "deit3_base_patch16_224", 16, 768, 12, 12},
                                         {"vit_l16", "deit3_large_patch16_224", 16, 1024, 24, 16},
                                         {"vit_h14", "deit3_huge_patch14_224", 14, 1280, 32, 16}}};

const Size& size_named(const std::string& name) {
  const auto found = std::find_if(kSizes.begin(), kSizes.end(), [&](const Size& size) {
    return name == size.name || (!name.empty() && name == size.alias);
  });
  if (found != kSizes.end()) return *found;
  std::vector<std::string> known = vit_names();
  std::ranges::copy(vit_aliases(), std::back_inserter(known));
  throw Error(ExitCode::usage, fmt::format("model.name: no model is called \"{}\"; nearest: {}", name,
                                           nearest_name(name, known)));
}

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ExitCode::refused, message);
}

void validate(const VitConfig& vit) {
  const auto at_least_one = [](const char* key, std::int64_t value) {
    require(value >= 1, fmt::format("model.{} = {}: must be at least 1", key, value));
  };
  at_least_one("patch", vit.patch);
  at_least_one("width", vit.width);
  at_least_one("depth", vit.depth);
  at_least_one("heads", vit.heads);
  at_least_one("classes", vit.classes);
  require(vit.width % vit.heads == 0,
          fmt::format("model.heads = {} does not divide model.width = {}", vit.heads, vit.width));
  require(vit.image_size >= vit.patch,
          fmt::format("model.image_size = {} is smaller than one patch (model.patch = {})", vit.image_size,
                      vit.patch));
  require(vit.drop_path >= 0 && vit.drop_path < 1,
          fmt::format("model.drop_path = {}: must be at least 0 and below 1", vit.drop_path));
  require(std::isfinite(vit.layer_scale) && vit.layer_scale >= 0,
          fmt::format("model.layer_scale = {}: must be 0 (none) or a positive number", vit.layer_scale));
}

constexpr Init kZero{Init::Law::constant, 0.0};
constexpr Init kOne{Init::Law::constant, 1.0};
// The recipe's normal is cut at +-2, a hundred standard deviations: it is a plain one.
constexpr Init kNarrow{Init::Law::normal, 0.02};

using Specs = std::vector<ParameterSpec>;

void add_norm(Specs& specs, const std::string& name, std::int64_t width) {
  specs.push_back({name + ".weight", {width}, kOne});
  specs.push_back({name + ".bias", {width}, kZero});
}

void add_linear(Specs& specs, const std::string& name, std::int64_t out, std::int64_t in) {
  specs.push_back({name + ".weight", {out, in}, kNarrow});
  specs.push_back({name + ".bias", {out}, kZero});
}

void add_layer_scale(Specs& specs, const std::string& name, const VitConfig& vit) {
  if (vit.layer_scale > 0) specs.push_back({name, {vit.width}, {Init::Law::constant, vit.layer_scale}});
}

}  // namespace

std::vector<std::string> vit_names() {
  std::vector<std::string> names;
  for (const Size& size : kSizes) names.emplace_back(size.name);
  return names;
}

std::vector<std::string> vit_aliases() {
  std::vector<std::string> names;
  for (const Size& size : kSizes) {
    if (*size.alias != '\0') names.emplace_back(size.alias);
  }
  return names;
}

VitConfig resolve_vit(const ModelConfig& config) {
  const Size& size = size_named(config.name);
  VitConfig vit{.name = size.name,
                .patch = config.patch.value_or(size.patch),
                .width = config.width.value_or(size.width),
                .depth = config.depth.value_or(size.depth),
                .heads = config.heads.value_or(size.heads),
                .image_size = config.image_size,
                .classes = config.classes,
                .drop_path = config.drop_path,
                .layer_scale = config.layer_scale};
  validate(vit);
  return vit;
}

std::vector<ParameterSpec> vit_parameters(const VitConfig& vit) {
  const std::int64_t width = vit.width;
  const std::int64_t pixels = 3 * vit.patch * vit.patch;
  // The patch embedding keeps a convolution's usual law: U(-1/sqrt(fan in), 1/sqrt(fan in)), bias included.
  const Init convolution{Init::Law::uniform, 1.0 / std::sqrt(static_cast<double>(pixels))};
  Specs specs;
  specs.push_back({"cls_token", {1, 1, width}, kNarrow});
  specs.push_back({"pos_embed", {1, vit.patches(), width}, kNarrow});
  specs.push_back({"patch_embed.proj.weight", {width, 3, vit.patch, vit.patch}, convolution});
  specs.push_back({"patch_embed.proj.bias", {width}, convolution});
  for (std::int64_t layer = 0; layer < vit.depth; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    add_norm(specs, block + "norm1", width);
    add_linear(specs, block + "attn.qkv", 3 * width, width);
    add_linear(specs, block + "attn.proj", width, width);
    add_layer_scale(specs, block + "ls1.gamma", vit);
    add_norm(specs, block + "norm2", width);
    add_linear(specs, block + "mlp.fc1", kMlpRatio * width, width);
    add_linear(specs, block + "mlp.fc2", width, kMlpRatio * width);
    add_layer_scale(specs, block + "ls2.gamma", vit);
  }
  add_norm(specs, "norm", width);
  add_linear(specs, "head", vit.classes, width);
  return specs;
}

}  // namespace vitrail::models
