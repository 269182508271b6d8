#include "models/layers/patch_choice.hpp"

#include <ATen/ATen.h>

#include "models/on_device.hpp"

namespace vitrail::models {
namespace {

// Of [B*N,D]. Each is taken once, so that its gradient is no sum, whose order could change.
at::Tensor flat_rows(const std::vector<std::int64_t>& chosen, std::int64_t images, std::int64_t patches,
                     const at::Tensor& like) {
  const auto each = static_cast<std::int64_t>(chosen.size()) / images;
  std::vector<std::int64_t> rows = chosen;
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += static_cast<std::int64_t>(i) / each * patches;
  return on_device(rows, like.device());
}

}  // namespace

at::Tensor chosen_patches(const at::Tensor& patches, const std::vector<std::int64_t>& chosen) {
  const std::int64_t images = patches.size(0);
  const at::Tensor rows = flat_rows(chosen, images, patches.size(1), patches);
  return patches.flatten(0, 1).index_select(0, rows).unflatten(0, {images, -1});
}

std::vector<std::int64_t> other_patches(const std::vector<std::int64_t>& chosen, std::int64_t images,
                                        std::int64_t patches) {
  const std::size_t each = chosen.size() / static_cast<std::size_t>(images);
  std::vector<std::int64_t> others;
  others.reserve(static_cast<std::size_t>(images * patches) - chosen.size());
  for (std::size_t first = 0; first < chosen.size(); first += each) {
    std::vector<bool> seen(static_cast<std::size_t>(patches));
    for (std::size_t i = first; i < first + each; ++i) seen[static_cast<std::size_t>(chosen[i])] = true;
    for (std::int64_t patch = 0; patch < patches; ++patch)
      if (!seen[static_cast<std::size_t>(patch)]) others.push_back(patch);
  }
  return others;
}

at::Tensor filled_up(const at::Tensor& chosen_ones, const std::vector<std::int64_t>& chosen,
                     std::int64_t patches, const at::Tensor& filler) {
  const std::int64_t images = chosen_ones.size(0), width = chosen_ones.size(2);
  const at::Tensor rows = flat_rows(chosen, images, patches, chosen_ones);
  return filler.expand({images, patches, width})
      .reshape({images * patches, width})
      .index_copy(0, rows, chosen_ones.flatten(0, 1).to(filler.scalar_type()))
      .view({images, patches, width});
}

}  // namespace vitrail::models
