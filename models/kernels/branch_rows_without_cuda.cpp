#include "models/kernels/branch_rows_passes.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

[[noreturn]] void refuse() {
  throw Error(
      ExitCode::refused,
      "residual branches on a GPU: this build computes on CPUs only; configure it with VITRAIL_CUDA, or "
      "set run.device = cpu");
}

}  // namespace

NormedRows norm_of_rows_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                             at::ScalarType) {
  refuse();
}

NormGradients norm_of_rows_backward_cuda(const at::Tensor&, const NormedRows&, const at::Tensor&,
                                         const at::Tensor&, const at::Tensor&, at::Tensor&) {
  refuse();
}

at::Tensor add_to_rows_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                            double) {
  refuse();
}

AddGradients add_to_rows_backward_cuda(const at::Tensor&, const at::Tensor&, at::ScalarType,
                                       const at::Tensor&, const at::Tensor&, double) {
  refuse();
}

}  // namespace vitrail::models
