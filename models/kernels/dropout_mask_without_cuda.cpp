#include "models/kernels/dropout_mask.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {

void fill_dropout_mask_cuda(const PhiloxStart&, std::uint32_t, at::Tensor&) {
  throw Error(ExitCode::refused,
              "model.dropout: this build computes on CPUs only; configure it with VITRAIL_CUDA, "
              "or set run.device = cpu");
}

}  // namespace vitrail::models
