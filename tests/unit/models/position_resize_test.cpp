#include "models/weights/position_resize.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "models/layers/positions.hpp"
#include "tests/unit/models/pattern.hpp"
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

// PyTorch's own resize by the scale that DINO's code gives it, and its gradient.
TEST(Positions, AreThoseOfPyTorchsBicubicByScale) {
  for (const auto& [from, side] : {std::pair(14, 6), {7, 4}, {4, 2}, {4, 1}, {6, 14}, {5, 9}}) {
    SCOPED_TRACE(fmt::format("{} to {}", from, side));
    constexpr std::int64_t kWidth = 5, kLeading = 1;
    const at::Tensor stored = pattern(3, {1, kLeading + from * from, kWidth}, at::kDouble);
    const at::Tensor ours = stored.clone().set_requires_grad(true);
    const at::Tensor theirs = stored.clone().set_requires_grad(true);
    const at::Tensor result = positions_on(ours, kLeading, side);
    const at::Tensor plane = theirs.slice(1, kLeading).reshape({1, from, from, kWidth}).permute({0, 3, 1, 2});
    const double scale = (side + 0.1) / from;
    const at::Tensor resized = at::upsample_bicubic2d(plane, {side, side}, false, scale, scale);
    const at::Tensor wanted =
        at::cat({theirs.slice(1, 0, kLeading), resized.permute({0, 2, 3, 1}).reshape({1, -1, kWidth})}, 1);
    EXPECT_TRUE(at::allclose(result, wanted, 0, 1e-13));
    const at::Tensor probe = pattern(4, result.sizes().vec(), at::kDouble);
    (result * probe).sum().backward();
    (wanted * probe).sum().backward();
    EXPECT_TRUE(at::allclose(ours.grad(), theirs.grad(), 0, 1e-12));
  }
}

TEST(Positions, OfTheSameGridAreThemselves) {
  const at::Tensor stored = pattern(3, {1, 17, 2}, at::kFloat);
  EXPECT_TRUE(positions_on(stored, 1, 4).is_same(stored));
}

}  // namespace
}  // namespace vitrail::models
