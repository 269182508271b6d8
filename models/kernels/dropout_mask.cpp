#include "models/kernels/dropout_mask.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

void fill_on_cpu(const PhiloxStart& start, std::uint32_t below, at::Tensor& mask) {
  const std::int64_t elements = mask.numel() / mask.size(0);
  bool* const all = mask.data_ptr<bool>();
  at::parallel_for(0, mask.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      bool* const kept = all + row * elements;
      for (std::int64_t i = 0; i < elements; i += 4) {
        const PhiloxBlock block =
            philox_block(start, static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(row));
        for (std::int64_t k = i; k < std::min(i + 4, elements); ++k) kept[k] = block.words[k - i] >= below;
      }
    }
  });
}

}  // namespace

at::Tensor dropout_mask(const PhiloxStart& start, double rate, const at::Tensor& x) {
  at::Tensor mask = at::empty(x.sizes(), x.options().dtype(at::kBool));
  if (x.numel() == 0) return mask;
  if (x.size(0) >= std::int64_t{1} << 24 || x.numel() / x.size(0) >= std::int64_t{1} << 26) {
    throw Error(
        ExitCode::refused,
        fmt::format("model.dropout: a tensor of {} rows of {} elements is too large to draw for; take "
                    "more lanes or smaller images",
                    x.size(0), x.numel() / x.size(0)));
  }
  const std::uint32_t below = dropped_below(rate);
  x.is_cpu() ? fill_on_cpu(start, below, mask) : fill_dropout_mask_cuda(start, below, mask);
  return mask;
}

}  // namespace vitrail::models
