// The setting table: what each setting decides, and a Config as keys and values.
#include "trainer/settings/settings.hpp"

#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/settings/run_identity.hpp"

namespace vitrail::trainer {
namespace {

using testing::HasSubstr;

// A change of what a key decides is a change of this file, which people read.
TEST(Settings, EachDecidesWhatTheFixtureSays) {
  std::set<std::string> lines;
  for (const Setting& setting : setting_table()) {
    const std::string& key = setting.key;
    const char* on_resume = is_identity(key) ? "refused" : changes_silently(key) ? "silent" : "said";
    lines.insert(fmt::format("{}: {}, {}", key, on_resume,
                             keeps_results_comparable(key) ? "comparable" : "not comparable"));
  }
  std::set<std::string> expected;
  std::istringstream fixture(read_text(VITRAIL_FIXTURES "/trainer/setting_effects.txt"));
  for (std::string line; std::getline(fixture, line);) expected.insert(line);
  EXPECT_EQ(lines, expected);
}

template <class S>
concept TakesSettingsWithoutEffect = requires(const S& section, SettingAbout about) {
  section.add("seed", &RunConfig::seed, about);
};
template <class S>
concept TakesSettings = requires(const S& section, SettingAbout about) {
  section.add("seed", &RunConfig::seed, Effect::identity, about);
};

TEST(Settings, OneWithoutAnEffectDoesNotCompile) {
  const auto reach = [](auto& config) -> auto& { return config.run; };
  using RunSection = Section<decltype(reach)>;
  EXPECT_TRUE(TakesSettings<RunSection>);
  EXPECT_FALSE(TakesSettingsWithoutEffect<RunSection>);
  EXPECT_FALSE(std::is_default_constructible_v<Setting>);
}

TEST(Settings, KeysAreUniqueAndHaveASection) {
  std::set<std::string> keys;
  for (const Setting& setting : setting_table()) {
    EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
    EXPECT_NE(setting.key.find('.'), std::string::npos) << setting.key;
    EXPECT_EQ(find_setting(setting.key), &setting);
  }
  EXPECT_EQ(find_setting("run.nonsense"), nullptr);
}

// A newer program's checkpoint may know keys that decide something.
TEST(Settings, UnknownKeysDecideWhatTheStrictestOfTheirSectionDoes) {
  EXPECT_TRUE(is_identity("model.nonsense"));
  EXPECT_TRUE(is_identity("nonsense.a"));
  EXPECT_TRUE(is_identity("nonsense"));
  EXPECT_EQ(effect_of("guard.nonsense"), Effect::result);
  EXPECT_EQ(effect_of("checkpoint.nonsense"), Effect::place);
}

// Every setting at a value that is not its default, as far as one of these words changes it.
Config changed_config() {
  Config config;
  for (const Setting& setting : setting_table()) {
    const auto before = setting.get(config);
    for (const char* word :
         {"true", "false", "0.25", "4", "3", "30ep", "90s", "cosine", "linear", "fp16", "lamb", "soft",
          "window", "bce", "rand-m9", "0.1,0.2,0.3", "some/where", "ema", "rrc"}) {
      if (setting.set(config, word) && setting.get(config) != before) break;
    }
  }
  return config;
}

TEST(Settings, AConfigReadBackFromItsSettingsHasTheSameOnes) {
  const Config config = changed_config();
  const SettingsMap settings = settings_of(config);
  EXPECT_EQ(settings_of(config_of(settings, "here")), settings);
  EXPECT_NE(settings, settings_of(Config()));
  EXPECT_GT(settings.size(), 80U);
}

TEST(Settings, WhatDoesNothingIsNotAmongARunsSettings) {
  Config config;
  EXPECT_FALSE(settings_of(config).contains("optimizer.momentum"));
  EXPECT_TRUE(default_settings().contains("optimizer.momentum"));
  config.optimizer.name = sharding::OptimizerName::sgd;
  EXPECT_EQ(settings_of(config).at("optimizer.momentum"), "0.9");
  config.data.val = "packs/a";
  EXPECT_TRUE(settings_of(config).contains("evaluate.flip"));
  EXPECT_FALSE(settings_of(config).contains("evaluate.per_class")) << "of evaluations alone";
  EXPECT_FALSE(default_settings().contains("evaluate.per_class"));
}

std::string refusal_of(const SettingsMap& settings, const std::string& section = "") {
  try {
    config_of(settings, "runs/a/step-00000020", section);
  } catch (const Error& error) {
    return fmt::format("{} {}", static_cast<int>(error.code()), error.what());
  }
  return "";
}

TEST(Settings, AValueThatIsNoneIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal_of({{"model.heads", "many"}}),
            "65 runs/a/step-00000020: model.heads = many: expected a whole number, 1 to 1024");
  EXPECT_EQ(refusal_of({{"model.heads", ""}}), "") << "not given";
  EXPECT_EQ(refusal_of({{"model.nonsense", "1"}}), "") << "of another version";
  EXPECT_EQ(refusal_of({{"sharding.stage", "9"}}, "model."), "") << "not asked for";
  EXPECT_THAT(refusal_of({{"sharding.stage", "9"}}), HasSubstr("sharding.stage = 9"));
}

TEST(Settings, ANetworkIsWhatItsParametersTellOf) {
  const auto network = network_of({{"model.name", "cait_xxs24"},
                                   {"model.width", "192"},
                                   {"model.heads", "3"},
                                   {"model.layer_scale", "0.5"},
                                   {"model.pooling", "mean"},
                                   {"model.drop_path", "0.4"},
                                   {"model.weights", "a.safetensors"},
                                   {"log.every", "nonsense"}},
                                  "here");
  EXPECT_EQ(network.name, "cait_xxs24");
  EXPECT_EQ(network.width, 192);
  EXPECT_EQ(network.heads, 3);
  EXPECT_EQ(network.layer_scale, 0.5);
  EXPECT_EQ(network.pooling, models::Pooling::mean);
  EXPECT_EQ(network.depth, std::nullopt);
  EXPECT_EQ(network.drop_path, models::ModelConfig().drop_path);
  EXPECT_EQ(network.weights, "");
  EXPECT_THROW(network_of({{"model.width", "192"}}, "here"), Error);
}

}  // namespace
}  // namespace vitrail::trainer
