#include "launcher/nearest_key.hpp"

#include <gtest/gtest.h>

#include "launcher/options.hpp"

namespace vitrail::launcher {
namespace {

TEST(NearestKey, FewestEdits) {
  const std::vector<std::string> known = {"run.lanes", "run.name", "model.name", "optimizer.lr"};
  EXPECT_EQ(nearest_key("run.lanez", known), "run.lanes");
  EXPECT_EQ(nearest_key("model.nam", known), "model.name");
  EXPECT_EQ(nearest_key("optimiser.lr", known), "optimizer.lr");
  EXPECT_EQ(nearest_key("lanes", known), "run.lanes");
  EXPECT_EQ(nearest_key("x.lr", {"run.lr", "a.lr", "xb.lr"}), "a.lr");  // the first of the nearest
  EXPECT_EQ(nearest_key("anything", {}), "");
}

TEST(NearestKey, ASwapIsOneEdit) { EXPECT_EQ(nearest_key("trian", {"triangle", "brain", "train"}), "train"); }

// Any one letter dropped or doubled leads back to the key it came from, or to one that is as near.
TEST(NearestKey, FindsEverySettingFromAMistypedOne) {
  std::vector<std::string> keys;
  for (const Option& option : make_options()) {
    if (option.is_setting()) keys.push_back(option.key);
  }
  for (const std::string& key : keys) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      const std::string doubled = key.substr(0, i + 1) + key.substr(i);
      EXPECT_EQ(nearest_key(doubled, keys), key);
    }
  }
}

}  // namespace
}  // namespace vitrail::launcher
