#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

[[noreturn]] void refuse() {
  throw Error(ExitCode::refused,
              "talking-heads attention: this build computes on CPUs only; configure it with "
              "VITRAIL_CUDA, or set run.device = cpu");
}

}  // namespace

TalkingHeadsForward talking_heads_forward_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                               const TalkingHeads&) {
  refuse();
}

TalkingHeadsGradients talking_heads_backward_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                  const at::Tensor&, const TalkingHeads&, const at::Tensor&) {
  refuse();
}

}  // namespace vitrail::models
