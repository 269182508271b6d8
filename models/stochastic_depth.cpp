#include "models/stochastic_depth.hpp"

#include <torch/torch.h>

namespace vitrail::models {

at::Tensor add_to_kept(const at::Tensor& x, const std::vector<std::int64_t>& kept, double scale,
                       const Branch& branch) {
  const at::Tensor rows = at::tensor(kept, at::TensorOptions().dtype(at::kLong)).to(x.device());
  return x.index_add(0, rows, branch(x.index_select(0, rows)), scale);
}

}  // namespace vitrail::models
