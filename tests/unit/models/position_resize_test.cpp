#include "models/weights/position_resize.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "trainer/base/files/safetensors.hpp"

namespace vitrail::models {
namespace {

// tests/peers/make_position_fixtures.py
TEST(PositionResize, EqualsDeitsAndTimms) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/models/positions.safetensors");
  std::set<std::string> cases;
  for (const auto& [name, info] : file.tensors()) cases.insert(name.substr(0, name.find('.')));
  ASSERT_EQ(cases.size(), 10U);
  for (const std::string& name : cases) {
    const auto& from = file.info(name + ".from").shape;
    const auto& to = file.info(name + ".to").shape;
    const auto how = name.starts_with("antialias") ? PositionResize::antialias : PositionResize::bicubic;
    const auto resized = resize_positions(file.read_as_double(name + ".from"), from[1], to[1], from[2], how);
    const auto wanted = file.read_as_double(name + ".to");
    ASSERT_EQ(resized.size(), wanted.size()) << name;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(resized[i], wanted[i], 1e-6) << name << " " << i;
  }
}

}  // namespace
}  // namespace vitrail::models
