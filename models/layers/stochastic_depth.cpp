#include "models/layers/stochastic_depth.hpp"

#include <numeric>

#include <ATen/ATen.h>

#include "models/layers/drop_path_mask.hpp"

namespace vitrail::models {

at::Tensor add_to_kept(const at::Tensor& sum, const at::Tensor& x, const std::vector<std::int64_t>& kept,
                       double scale, const Branch& branch) {
  const at::Tensor rows = at::tensor(kept, at::TensorOptions().dtype(at::kLong)).to(x.device());
  return sum.index_add(0, rows, branch(x.index_select(0, rows)).to(sum.scalar_type()), scale);
}

at::Tensor StochasticDepth::add(const at::Tensor& sum, const at::Tensor& x, int index,
                                const Branch& branch) const {
  if (!pass.training || rate == 0) return sum + branch(x);
  const std::int64_t images = x.size(0);
  std::vector<std::int64_t> kept;
  if (pass.kept_images) {
    kept = pass.kept_images(layer, index, images);
  } else if (pass.rehearsal) {
    kept.resize(static_cast<std::size_t>(largest_kept(rate, images)));
    std::iota(kept.begin(), kept.end(), 0);
  } else {
    kept = draw_kept_images({pass.seed, pass.step, pass.lane, layer, index, branches}, rate, images);
  }
  return add_to_kept(sum, x, kept, 1.0 / (1.0 - rate), branch);
}

}  // namespace vitrail::models
