// The experiment records in configs/ against tests/fixtures/recipes/recipes.json, which was typed from the
// papers and the public commands: a key that the table does not name has its default in the run, too.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "datasets/loader/sampler.hpp"
#include "launcher/cli/config_file.hpp"
#include "launcher/commands/schedule/schedule_listing.hpp"
#include "launcher/options/options.hpp"
#include "models/families/catalogue.hpp"
#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using Values = std::map<std::string, std::string>;

const fs::path kRecipes = fs::path(VITRAIL_FIXTURES) / "../../configs";

// Run -> key -> value. "distilled": what the twin of every run, NAME_distill, has besides.
std::map<std::string, Values> recipes() {
  std::map<std::string, Values> all;
  for (const nlohmann::json& family :
       nlohmann::json::parse(read_text((fs::path(VITRAIL_FIXTURES) / "recipes/recipes.json").string()))) {
    for (const auto& [name, own] : family.at("runs").items()) {
      Values values = own.get<Values>();
      values.merge(family.at("settings").get<Values>());
      EXPECT_TRUE(all.emplace(name, values).second) << name << " twice";
      if (!family.contains("distilled")) continue;
      values.merge(family.at("distilled").get<Values>());
      if (values.contains("model.weights")) values["model.weights"] += "_distill";
      all.emplace(name + "_distill", values);
    }
  }
  return all;
}

CommandLine parse_config(const fs::path& file) {
  return parse_command_line({"train", "--config", file.string()});
}

// What decides the outcome of a run; the rest is where things lie and how often they are looked at.
bool is_hyper_parameter(const std::string& key) {
  constexpr std::array<const char*, 14> kSections = {
      "task.", "dino.",         "mae.",       "grafit.",   "linear.",  "model.", "finetune.",
      "loss.", "distillation.", "optimizer.", "schedule.", "augment.", "ema.",   "precision."};
  constexpr std::array<const char*, 6> kKeys = {
      "run.epochs",         "run.steps", "run.lanes", "data.global_batch_size", "data.repeated_augmentation",
      "evaluate.crop_ratio"};
  return std::ranges::any_of(kSections, [&](const char* section) { return key.starts_with(section); }) ||
         std::ranges::find(kKeys, key) != kKeys.end();
}

CommandLine typed(const Values& values, const CommandLine& run) {
  CommandLine line(command_named("train"));
  line.config.data.train = run.config.data.train;
  line.config.data.val = run.config.data.val;
  const std::vector<Option> options = make_options();
  for (const auto& [key, value] : values) {
    const Option* option = find_option(options, key, command_named("train"));
    if (option == nullptr || !option->set(line, value)) ADD_FAILURE() << key << " = " << value;
  }
  return line;
}

TEST(Recipes, EveryHyperParameterIsThatOfTheTable) {
  const auto wanted = recipes();
  EXPECT_GT(wanted.size(), 170U);
  for (const auto& [name, values] : wanted) {
    const CommandLine run = parse_config(kRecipes / (name + ".cfg"));
    const SettingsMap is = resolved_settings(run), should_be = resolved_settings(typed(values, run));
    EXPECT_EQ(run.config.run.name, name);
    for (const auto& [key, value] : should_be) {
      if (!is_hyper_parameter(key)) continue;
      const auto found = is.find(key);
      EXPECT_EQ(found == is.end() ? "unused" : found->second, value) << name << ": " << key;
    }
    for (const auto& [key, value] : is) {
      const bool told = !is_hyper_parameter(key) || should_be.contains(key);
      EXPECT_TRUE(told) << name << ": " << key << " = " << value;
    }
    for (const auto& [key, value] : values) EXPECT_TRUE(is.contains(key)) << name << ": nothing uses " << key;
  }
}

TEST(Recipes, EveryFileIsInTheTableAndEveryPartInAFile) {
  const auto known = recipes();
  const std::set<std::string> examples = {"quickstart", "few_labels"};
  std::set<std::string> parts, included;
  for (const auto& entry : fs::directory_iterator(kRecipes / "parts"))
    parts.insert(entry.path().filename().string());
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kRecipes)) {
    if (entry.path().extension() != ".cfg") continue;
    const std::string name = entry.path().stem().string();
    EXPECT_TRUE(known.contains(name) || examples.contains(name)) << name;
    for (const Setting& setting : read_config_file(entry.path().string()))
      included.insert(fs::path(setting.place.substr(0, setting.place.rfind(':'))).filename().string());
    ++files;
  }
  EXPECT_EQ(files, known.size() + examples.size());
  for (const std::string& part : parts) EXPECT_TRUE(included.contains(part)) << part;
}

// Parameters in millions as the papers print them, for 1,000 classes (T 3.5, 4.4, 5.2, 6.5; C's table of
// models; the authors' tables of the others).
TEST(Recipes, ModelsHaveThePublishedSizes) {
  const std::map<std::string, double> printed = {{"vit_ti16", 5.7},
                                                 {"vit_s16", 22.0},
                                                 {"vit_b16", 86.6},
                                                 {"vit_l16", 304.4},
                                                 {"vit_h14", 632.1},
                                                 {"deit_ti16", 5.7},
                                                 {"deit_s16", 22.0},
                                                 {"deit_b16", 86.6},
                                                 {"deit_b16_distilled", 87.0},
                                                 {"cait_xxs24", 12.0},
                                                 {"cait_xxs36", 17.3},
                                                 {"cait_xs24", 26.6},
                                                 {"cait_xs36", 38.6},
                                                 {"cait_s24", 46.9},
                                                 {"cait_s36", 68.2},
                                                 {"cait_s48", 89.5},
                                                 {"cait_m24", 185.9},
                                                 {"cait_m36", 270.9},
                                                 {"cait_m48", 356.0},
                                                 {"vit_h14_52", 1000},
                                                 {"vit_h14_26x2", 1000},
                                                 {"resnet50", 25.6},
                                                 {"resnet101", 44.5},
                                                 {"resnet152", 60.2},
                                                 {"regnety_040", 20.6},
                                                 {"regnety_080", 39.2},
                                                 {"regnety_160", 83.6},
                                                 {"resmlp_s12", 15.4},
                                                 {"resmlp_s24", 30.0},
                                                 {"resmlp_b24", 115.7},
                                                 {"resmlp_b24_8", 129.1},
                                                 {"patchconvnet_s36", 16.2},
                                                 {"patchconvnet_s60", 25.2},
                                                 {"patchconvnet_s120", 47.7},
                                                 {"patchconvnet_b60", 99.4},
                                                 {"patchconvnet_b120", 188.6},
                                                 {"patchconvnet_s60_multi", 25.6},
                                                 {"xcit_s12_p16", 26.3},
                                                 {"xcit_s24_p16", 47.7},
                                                 {"xcit_m24_p16", 84.4},
                                                 {"convit_s", 27.8},
                                                 {"convit_b", 86.5}};
  std::set<std::string> seen;
  for (const auto& [name, values] : recipes()) {
    models::ModelConfig model = parse_config(kRecipes / (name + ".cfg")).config.model;
    EXPECT_GT(models::describe_model(model).activation_bytes, 0);
    model.classes = 1000;
    const auto expected = printed.find(model.name);
    if (expected == printed.end() || model.patch) continue;  // patches of its own are nobody's table
    seen.insert(model.name);
    const double about =
        expected->second == 1000 ? 0.05 : 0.012;  // "about a billion"; positions of larger images
    EXPECT_NEAR(static_cast<double>(models::describe_model(model).params) / 1e6, expected->second,
                about * expected->second)
        << name;
  }
  EXPECT_EQ(seen.size(), printed.size());
}

TEST(Recipes, SchedulesReachTheirRatesOverTheWholeRun) {
  for (const auto& [name, values] : recipes()) {
    const trainer::Config config = parse_config(kRecipes / (name + ".cfg")).config;
    const std::int64_t images = published_images(config.data.train);
    const std::int64_t per_epoch = datasets::steps_per_epoch(images, config.data.global_batch_size);
    const trainer::Schedule schedule(config, trainer::total_steps(config.run, per_epoch), per_epoch);
    const nlohmann::json listing = nlohmann::json::parse(schedule_json(config, schedule));
    EXPECT_EQ(listing.at("steps"), config.run.epochs * per_epoch);
    const double scale = config.schedule.scale_lr == trainer::LrScaling::off
                             ? 1.0
                             : static_cast<double>(config.data.global_batch_size) /
                                   static_cast<double>(config.schedule.base_batch);
    EXPECT_DOUBLE_EQ(listing.at("peak_lr"), config.optimizer.lr * scale) << name;
    EXPECT_GE(schedule_text(config, schedule).size(), 500U) << name;
    if (config.schedule.name == trainer::ScheduleName::step) {  // FixRes: divided by 10 once
      EXPECT_EQ(listing.at("rows").front().at("lr"), config.optimizer.lr) << name;
      EXPECT_NEAR(listing.at("rows").back().at("lr"), config.optimizer.lr / 10, 1e-12) << name;
      continue;
    }
    const double peak = config.optimizer.lr * scale, low = config.schedule.min_lr;
    EXPECT_EQ(listing.at("rows").front().at("lr"),
              config.schedule.warmup.count > 0 ? config.schedule.warmup_lr : peak)
        << name;
    // timm's cosine, which DeiT leaves standing two epochs before the end.
    const std::int64_t before = config.schedule.warmup_prefix ? config.schedule.warmup.count : 0;
    const double epochs = static_cast<double>(config.run.epochs - before);
    const bool deit = config.schedule.per_epoch == trainer::EpochStepping::deit;
    const bool whole_epochs = config.schedule.per_epoch == trainer::EpochStepping::timm;
    const double t = deit           ? epochs - 2
                     : whole_epochs ? epochs - 1
                                    : epochs - 1 / static_cast<double>(per_epoch);
    EXPECT_NEAR(listing.at("rows").back().at("lr"),
                low + (peak - low) / 2 * (1 + std::cos(std::numbers::pi * t / epochs)), 1e-12)
        << name;
  }
}

// A run that begins with another's weights names a run of configs/ with the same network.
TEST(Recipes, ChainsLeadToRunsOfTheSameNetwork) {
  int chained = 0;
  for (const auto& [name, values] : recipes()) {
    const trainer::Config config = parse_config(kRecipes / (name + ".cfg")).config;
    if (config.model.weights.empty()) continue;
    ASSERT_TRUE(config.model.weights.starts_with("runs/")) << name;
    const fs::path before = kRecipes / (config.model.weights.substr(5) + ".cfg");
    ASSERT_TRUE(fs::exists(before)) << name << " begins with " << before;
    EXPECT_EQ(parse_config(before).config.model.name, config.model.name) << name;
    ++chained;
  }
  EXPECT_GT(chained, 90);
}

}  // namespace
}  // namespace vitrail::launcher
