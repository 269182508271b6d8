#include "models/layers/dropout.hpp"

#include <ATen/ATen.h>

#include "models/kernels/dropout_mask.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::models {

Dropout::Dropout(const Pass& pass, double rate, int site)
    : rate_(pass.training ? rate : 0),
      site_(site),
      seed_(pass.seed),
      step_(pass.step),
      lane_(pass.lane),
      kept_(pass.kept_elements) {}

at::Tensor Dropout::operator()(const at::Tensor& x, int further) const {
  if (rate_ == 0) return x;
  constexpr int kRowBits = 24;  // of a stream's id
  const Philox stream(seed_, Purpose::dropout, step_, lane_ << kRowBits,
                      static_cast<std::uint32_t>(site_ + further));
  const at::Tensor kept = kept_ ? kept_(site_ + further, x) : dropout_mask(stream.start(), rate_, x);
  return x * kept * (1 / (1 - rate_));
}

}  // namespace vitrail::models
