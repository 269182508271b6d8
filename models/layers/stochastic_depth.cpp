#include "models/layers/stochastic_depth.hpp"

#include <numeric>
#include <utility>

#include <ATen/ATen.h>

#include "models/kernels/branch_rows.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/on_device.hpp"

namespace vitrail::models {

namespace {

using at::Tensor;

// Passes after the first draw as lanes that no run has: lanes are fewer than 2^20.
std::uint64_t lane_of_draws(const Pass& pass) { return pass.lane + (pass.number << 20); }

std::vector<std::int64_t> kept_images(const Pass& pass, const DropPathKey& key, double rate,
                                      std::int64_t images) {
  if (pass.kept_images) return pass.kept_images(key.layer, key.branch, images);
  if (!pass.memory_probe) return draw_kept_images(key, rate, images);
  std::vector<std::int64_t> first(static_cast<std::size_t>(largest_kept(rate, images)));
  std::iota(first.begin(), first.end(), 0);
  return first;
}

Tensor added(const Tensor& sum, const Tensor& x, const Tensor& rows, double scale,
             const NormedBranch& branch) {
  const BranchInput in = norm_of_rows(x, rows, branch.norm, branch.type);
  const Tensor& passing = sum.is_same(x) ? in.passing : sum;
  return add_to_rows(passing, branch.f(in.rows), branch.scale, rows, scale, branch.norm.as_on_gpu);
}

}  // namespace

Tensor scaled_rows(const Tensor& y, const Tensor& gamma) {
  return gamma.defined() ? add_to_rows(at::zeros_like(y, gamma.options()), y, gamma, {}, 1) : y;
}

KeptRows::KeptRows(const DropPath& law, const Pass& pass, std::int64_t images, at::Device device)
    : branches_(law.branches) {
  std::vector<std::int64_t> all;
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;  // begin and count; count -1: all images
  for (int layer = 0; layer < static_cast<int>(law.rates.size()); ++layer) {
    const double rate = pass.drop_path_scale * law.rates[static_cast<std::size_t>(layer)];
    scales_.push_back(1 / (1 - rate));
    for (int branch = 0; branch < branches_; ++branch) {
      if (rate == 0) {
        spans.emplace_back(0, -1);
        continue;
      }
      const DropPathKey key{pass.seed, pass.step, lane_of_draws(pass), layer, branch, branches_};
      const std::vector<std::int64_t> kept = kept_images(pass, key, rate, images);
      spans.emplace_back(all.size(), kept.size());
      all.insert(all.end(), kept.begin(), kept.end());
    }
  }
  const Tensor there = on_device(all, device);
  for (const auto& [begin, count] : spans)
    rows_.push_back(count < 0 ? Tensor() : there.narrow(0, begin, count));
}

const Tensor& KeptRows::of(int layer, int branch) const {
  return rows_[static_cast<std::size_t>(layer * branches_ + branch)];
}

Tensor residual(const Tensor& x, const NormedBranch& branch) { return added(x, x, Tensor(), 1, branch); }

Tensor StochasticDepth::add(const Tensor& sum, const Tensor& x, int index, const NormedBranch& branch) const {
  if (!branch.recomputed) return added(sum, x, kept(index), scale(), branch);
  return add(sum, x, index, recomputed(Branch([branch](const Tensor& z) {
               const Tensor normed = norm_of_rows(z, {}, branch.norm, branch.type).rows;
               return scaled_rows(branch.f(normed), branch.scale);
             })));
}

Tensor StochasticDepth::add(const Tensor& sum, const Tensor& x, int index, const Branch& branch,
                            const Tensor& gamma) const {
  const Tensor rows = kept(index);
  const BranchInput in = rows_of(x, rows);
  return add_to_rows(sum.is_same(x) ? in.passing : sum, branch(in.rows), gamma, rows, scale());
}

Tensor StochasticDepth::add_computed(const Tensor& sum, const Tensor& y, int index,
                                     const Tensor& gamma) const {
  const Tensor rows = kept(index);
  return add_to_rows(sum, rows.defined() ? y.index_select(0, rows) : y, gamma, rows, scale());
}

}  // namespace vitrail::models
