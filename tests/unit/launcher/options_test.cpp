#include "launcher/options/options.hpp"

#include <gtest/gtest.h>

#include "trainer/base/text/nearest.hpp"

namespace vitrail::launcher {
namespace {

// Any one letter doubled leads back to the key it came from: the keys are far enough apart.
TEST(Options, EverySettingIsTheNearestToItsMistypings) {
  std::vector<std::string> keys;
  for (const Option& option : make_options()) {
    if (option.is_setting()) keys.push_back(option.key);
  }
  EXPECT_GT(keys.size(), 50U);
  for (const std::string& key : keys) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      const std::string doubled = key.substr(0, i + 1) + key.substr(i);
      EXPECT_EQ(nearest_name(doubled, keys), key);
    }
  }
}

}  // namespace
}  // namespace vitrail::launcher
