#include "models/layers/stochastic_depth.hpp"

#include <numeric>

#include <ATen/ATen.h>

#include "models/layers/drop_path_mask.hpp"

namespace vitrail::models {

namespace {

// Passes after the first draw as lanes that no run has: lanes are fewer than 2^20.
std::uint64_t lane_of_draws(const Pass& pass) { return pass.lane + (pass.number << 20); }

at::Tensor rows_of(const std::vector<std::int64_t>& kept, const at::Tensor& x) {
  return at::tensor(kept, at::TensorOptions().dtype(at::kLong)).to(x.device());
}

}  // namespace

at::Tensor add_to_kept(const at::Tensor& sum, const at::Tensor& x, const std::vector<std::int64_t>& kept,
                       double scale, const Branch& branch) {
  const at::Tensor rows = rows_of(kept, x);
  return sum.index_add(0, rows, branch(x.index_select(0, rows)).to(sum.scalar_type()), scale);
}

std::vector<std::int64_t> StochasticDepth::kept(int index, std::int64_t images) const {
  if (pass_.kept_images) return pass_.kept_images(layer_, index, images);
  if (!pass_.memory_probe)
    return draw_kept_images({pass_.seed, pass_.step, lane_of_draws(pass_), layer_, index, branches_}, rate_,
                            images);
  std::vector<std::int64_t> first(static_cast<std::size_t>(largest_kept(rate_, images)));
  std::iota(first.begin(), first.end(), 0);
  return first;
}

at::Tensor StochasticDepth::add(const at::Tensor& sum, const at::Tensor& x, int index,
                                const Branch& branch) const {
  if (keeps_all()) return sum + branch(x);
  return add_to_kept(sum, x, kept(index, x.size(0)), 1.0 / (1.0 - rate_), branch);
}

at::Tensor StochasticDepth::add_computed(const at::Tensor& sum, const at::Tensor& y, int index) const {
  if (keeps_all()) return sum + y;
  const at::Tensor rows = rows_of(kept(index, y.size(0)), y);
  return sum.index_add(0, rows, y.index_select(0, rows).to(sum.scalar_type()), 1.0 / (1.0 - rate_));
}

}  // namespace vitrail::models
