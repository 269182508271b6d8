#include "trainer/settings/run_identity.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "trainer/settings/setting_patterns.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::array<std::string_view, 20> kIdentity = {"run.seed",
                                                        "run.lanes",
                                                        "data.global_batch_size",
                                                        "data.order",
                                                        "data.extent_images",
                                                        "data.window_extents",
                                                        "data.repeated_augmentation",
                                                        "data.mean",
                                                        "data.std",
                                                        "augment.",
                                                        "model.",
                                                        "loss.",
                                                        "finetune.",
                                                        "distillation.",
                                                        "precision.",
                                                        "optimizer.name",
                                                        "schedule.drop_path_start",
                                                        "sharding.reduction",
                                                        "sharding.sum_type",
                                                        "ema."};

// May change without a word: where things lie and how they are watched.
constexpr std::array<std::string_view, 13> kSilent = {"run.name",
                                                      "run.dir",
                                                      "run.peak_tflops",
                                                      "run.stop_before",
                                                      "run.fault",
                                                      "watchdog.",
                                                      "data.",
                                                      "checkpoint.",
                                                      "evaluate.",
                                                      "log.",
                                                      "launch.",
                                                      "sharding.",
                                                      "model.activation_checkpointing"};

// Of no consequence for what comes next: weights are read once, at the beginning, and what backward computes
// again has the same bits.
constexpr std::array<std::string_view, 4> kNoIdentity = {
    "model.weights", "model.position_resize", "model.activation_checkpointing", "finetune.weights"};

}  // namespace

std::string value_of(const std::map<std::string, std::string>& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "unset" : found->second;
}

std::map<std::string, std::string> merged_keys(const std::map<std::string, std::string>& a,
                                               const std::map<std::string, std::string>& b) {
  std::map<std::string, std::string> all = a;
  all.insert(b.begin(), b.end());
  return all;
}

bool is_identity(const std::string& key) {
  return matches_any(kIdentity, key) && !matches_any(kNoIdentity, key);
}

bool changes_silently(const std::string& key) { return matches_any(kSilent, key); }

std::string why_refused(const std::map<std::string, std::string>& stored,
                        const std::map<std::string, std::string>& current) {
  for (const auto& [key, unused] : merged_keys(stored, current)) {
    const std::string was = value_of(stored, key), is = value_of(current, key);
    if (is_identity(key) && was != is) return fmt::format("{} was {}, is {}", key, was, is);
  }
  return "";
}

}  // namespace vitrail::trainer
