// Which images of a lane batch a residual branch is computed for: stochastic depth (Huang et al., ECCV 2016),
// one Bernoulli(1 - rate) draw per image, layer and branch.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::models {

// Of a network's layers: the share of the images that their branches are left out for.
struct DropPath {
  std::vector<double> rates = {};
  int branches = 2;  // of each layer
};

struct DropPathKey {
  std::uint64_t seed = 0, step = 0, lane = 0;
  int layer = 0;     // 0 .. depth - 1
  int branch = 0;    // 0 attention, 1 MLP; see Pass::kept_images for parallel ones
  int branches = 2;  // of each layer
};

// Indices of the kept among images 0 .. images-1, ascending. Image i's fate does not depend on `images`.
std::vector<std::int64_t> draw_kept_images(const DropPathKey& key, double rate, std::int64_t images);

// The most images that a draw keeps in practice: mean and six standard deviations, rounded up; at most all.
std::int64_t largest_kept(double rate, std::int64_t images);

}  // namespace vitrail::models
