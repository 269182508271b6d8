#include "trainer/weights/weight_normalisation.hpp"

#include <array>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "models/families/model_names.hpp"
#include "models/weights/pretrained.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using Texts = std::map<std::string, std::string>;

constexpr const char* kMean = "data.mean";
constexpr const char* kStd = "data.std";
constexpr const char* kNone = "none";  // of a run on ready tensors

std::string text_of(const Texts& texts, const std::string& key) {
  const auto found = texts.find(key);
  return found == texts.end() ? "" : found->second;
}

std::optional<Normalisation> parsed(const std::string& mean, const std::string& deviation) {
  const auto first = parse_channel_values(mean), second = parse_channel_values(deviation);
  if (!first || !second || !is_mean(*first) || !is_deviation(*second)) return std::nullopt;
  return Normalisation{*first, *second};
}

std::optional<ToldNormalisation> by_checkpoint(const std::string& path) {
  const fs::path checkpoint = find_checkpoint(path);
  const auto values = normalisation_of(read_checkpoint_manifest(checkpoint).settings);
  if (!values) return std::nullopt;
  return ToldNormalisation{*values, fmt::format("the settings of {}", checkpoint.string())};
}

enum class Metadata { told, unknown, silent };

// Exported files of before these entries know of no other values than ImageNet's; they tell their step.
Metadata by_metadata(const std::string& file, std::optional<ToldNormalisation>& told) {
  const Texts metadata = SafetensorsReader(file).metadata();
  std::string mean = text_of(metadata, kMean), deviation = text_of(metadata, kStd);
  if (mean == kNone) return Metadata::unknown;
  if (mean.empty() && deviation.empty() && metadata.contains("step")) {
    told = {kImageNet, fmt::format("{}, which an earlier vitrail exported", file)};
    return Metadata::told;
  }
  if (mean.empty()) mean = text_of(metadata, "mean");
  if (deviation.empty()) deviation = text_of(metadata, "std");
  if (mean.empty() && deviation.empty()) return Metadata::silent;
  const auto values = parsed(mean, deviation);
  if (!values) {
    throw Error(
        ExitCode::bad_data,
        fmt::format(
            "{}: its metadata say mean \"{}\" and std \"{}\": expected three numbers each, means of 0 to 1 "
            "and deviations of 1e-6 to 1",
            file, mean, deviation),
        "set data.mean and data.std to what the weights were trained with");
  }
  told = {*values, fmt::format("the metadata of {}", file)};
  return Metadata::told;
}

// Repositories of Hugging Face hold model.safetensors and what timm knows of it, in config.json.
fs::path config_beside(const fs::path& file) {
  const fs::path beside = file.parent_path() / "config.json";
  std::error_code unreadable;
  return file.filename() == "model.safetensors" && fs::is_regular_file(beside, unreadable) ? beside : "";
}

nlohmann::json parsed_config(const fs::path& config) {
  return nlohmann::json::parse(read_text(config), nullptr, false);
}

std::optional<ToldNormalisation> by_config(const fs::path& file) {
  const fs::path beside = config_beside(file);
  if (beside.empty()) return std::nullopt;
  const auto json = parsed_config(beside);
  if (!json.is_object()) return std::nullopt;
  const auto inner = json.find("pretrained_cfg");
  const nlohmann::json& config = inner != json.end() && inner->is_object() ? *inner : json;
  if (!config.contains("mean") || !config.contains("std")) return std::nullopt;
  const auto values = parsed(config["mean"].dump(), config["std"].dump());
  if (!values) return std::nullopt;
  return ToldNormalisation{*values, beside.string()};
}

// With a tag, a name is of one set of weights; without, of timm's default ones.
std::optional<ToldNormalisation> by_name(const std::string& model_name, const std::string& file_name) {
  const auto tagged = [](const std::string& name) { return models::without_tag(name) != name; };
  const std::array<std::string, 2> names = {model_name, file_name};
  for (const bool tag : {true, false}) {
    for (const std::string& name : names) {
      if (tagged(name) != tag) continue;
      if (const auto values = models::pretrained_normalisation(name))
        return ToldNormalisation{*values, fmt::format("timm's name {}", name)};
    }
    if (tag && tagged(model_name)) return std::nullopt;  // weights that nobody here knows
  }
  return std::nullopt;
}

bool looks_at_images(const datasets::DataConfig& data) {
  const auto ready = [](const std::string& source) { return source.starts_with("tensor:"); };
  if (data.train.empty() && data.val.empty()) return true;  // as for import
  return (!data.train.empty() && !ready(data.train)) || (!data.val.empty() && !ready(data.val));
}

}  // namespace

std::optional<ToldNormalisation> told_normalisation(const std::string& weights,
                                                    const std::string& model_name) {
  if (fs::is_directory(weights)) return by_checkpoint(weights);
  std::optional<ToldNormalisation> told;
  const Metadata metadata = by_metadata(weights, told);
  if (metadata != Metadata::silent) return told;
  if (auto config = by_config(weights)) return config;
  return by_name(model_name, fs::path(weights).stem().string());
}

std::optional<Normalisation> normalisation_of(const Texts& settings) {
  const std::string mean = text_of(settings, kMean), deviation = text_of(settings, kStd);
  if (!mean.empty() && !deviation.empty()) return parsed(mean, deviation);
  if (text_of(settings, "data.train").starts_with("tensor:")) return std::nullopt;
  return kImageNet;  // of before there were others
}

Texts normalisation_metadata(const Texts& settings) {
  const auto values = normalisation_of(settings);
  if (!values) return {{kMean, kNone}, {kStd, kNone}};
  return {{kMean, format(values->mean)}, {kStd, format(values->deviation)}};
}

namespace {

std::string note_of(const Config& config, const std::string& weights) {
  const Normalisation& used = config.data.normalisation;
  const auto told = told_normalisation(weights, config.model.name);
  if (!told) {
    return fmt::format(
        "nothing tells how images were normalised for {}: {} are used; set data.mean and data.std if the "
        "weights want others",
        weights, describe(used));
  }
  if (told->values != used) {
    return fmt::format(
        "images are normalised with {}; the weights were trained with {}, by {}: set data.mean and data.std "
        "unless that is meant",
        describe(used), describe(told->values), told->by);
  }
  if (fs::is_directory(weights)) return "";
  return fmt::format("images are normalised with {}, by {}", describe(used), told->by);
}

}  // namespace

std::string normalisation_note(const Config& config, const std::string& weights) {
  if (!looks_at_images(config.data)) return "";
  if (const fs::path beside = config_beside(weights); !beside.empty() && !parsed_config(beside).is_object())
    return fmt::format("{} cannot be read, it is no JSON object; {}", beside.string(),
                       note_of(config, weights));
  return note_of(config, weights);
}

}  // namespace vitrail::trainer
