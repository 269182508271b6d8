#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/maps/maps.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows are cut into parts of this many numbers, which a core keeps near, but of some rows at least.
constexpr std::int64_t kPartNumbers = 1 << 15, kPartRows = 32;

struct Parts {
  explicit Parts(const Tensor& rows)
      : channels(rows.size(-1)),
        all(rows.numel() / channels),
        each(std::max(kPartRows, kPartNumbers / channels)),
        count((all + each - 1) / each) {}

  std::int64_t first(std::int64_t part) const { return part * each; }
  MapRows shape(std::int64_t part) const { return {std::min(each, all - first(part)), channels}; }

  std::int64_t channels, all, each, count;
};

template <class Body>
void over_parts(const Parts& parts, Body body) {
  at::parallel_for(0, parts.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) body(part);
  });
}

// Two numbers of each channel, of each part.
template <class Number>
struct Sums {
  explicit Sums(const Parts& parts)
      : channels(parts.channels), numbers(static_cast<std::size_t>(2 * parts.count * channels)) {}

  Number* of(std::int64_t part, int which) { return numbers.data() + (2 * part + which) * channels; }

  std::int64_t channels;
  std::vector<Number> numbers;
};

struct Moments {
  std::vector<double> mean, variance;  // biased
};

template <class Number>
Moments moments_of(const Tensor& x, const Parts& parts) {
  Sums<Number> sums(parts);
  const Number* const from = x.const_data_ptr<Number>();
  over_parts(parts, [&](std::int64_t part) {
    map_kernels_of<Number>().moments(parts.shape(part), from + parts.first(part) * parts.channels,
                                     sums.of(part, 0), sums.of(part, 1));
  });
  const auto channels = static_cast<std::size_t>(parts.channels);
  Moments moments{std::vector<double>(channels), std::vector<double>(channels)};
  for (std::int64_t part = 0; part < parts.count; ++part) {
    const auto rows = static_cast<double>(parts.shape(part).rows);
    const Number* const mean = sums.of(part, 0);
    for (std::size_t c = 0; c < channels; ++c) moments.mean[c] += rows * mean[c];
  }
  for (double& mean : moments.mean) mean /= static_cast<double>(parts.all);
  for (std::int64_t part = 0; part < parts.count; ++part) {
    const auto rows = static_cast<double>(parts.shape(part).rows);
    const Number *const mean = sums.of(part, 0), *const squares = sums.of(part, 1);
    for (std::size_t c = 0; c < channels; ++c) {
      const double distance = mean[c] - moments.mean[c];
      moments.variance[c] += squares[c] + rows * distance * distance;
    }
  }
  for (double& variance : moments.variance) variance /= static_cast<double>(parts.all);
  return moments;
}

struct Scaling {
  Scaling(const Tensor& mean, const Tensor& rstd, const Tensor& gain, const Tensor& bias)
      : scale(gain * rstd), shift(at::addcmul(bias, mean, scale, -1)) {}

  Tensor scale, shift;  // [C]
};

template <class Number>
Tensor normalized(const Tensor& x, const Scaling& scaling, const Tensor& added, bool rectified) {
  const Parts parts(x);
  Tensor y = at::empty_like(x);
  const Number *const from = x.const_data_ptr<Number>(),
                      *const scales = scaling.scale.const_data_ptr<Number>(),
                      *const shifts = scaling.shift.const_data_ptr<Number>();
  const Number* const adds = added.defined() ? added.const_data_ptr<Number>() : nullptr;
  Number* const to = y.mutable_data_ptr<Number>();
  over_parts(parts, [&](std::int64_t part) {
    const std::int64_t at = parts.first(part) * parts.channels;
    map_kernels_of<Number>().normalize(parts.shape(part), from + at, scales, shifts,
                                       adds == nullptr ? nullptr : adds + at, rectified, to + at);
  });
  return y;
}

struct Kept {
  Tensor x, y, mean, rstd, gain, bias;  // rows; y undefined unless a sum was rectified
  bool added, rectified;
};

struct Gradients {
  Tensor x, gain, bias, added;
};

template <class Number>
Gradients gradients_of(const Kept& kept, const Tensor& y_gradient) {
  const Parts parts(kept.x);
  const bool by_x = kept.rectified && !kept.added;
  const Scaling scaling(kept.mean, kept.rstd, kept.gain, kept.bias);
  Gradients of{at::empty_like(kept.x), Tensor(), Tensor(), kept.added ? y_gradient : Tensor()};
  if (kept.y.defined()) of.added = at::empty_like(kept.x);
  const auto rows = [&](std::int64_t part, const Tensor& gradient, const Tensor& y) {
    const std::int64_t at = parts.first(part) * parts.channels;
    return NormedMap<Number>{kept.x.const_data_ptr<Number>() + at,
                             y.defined() ? y.const_data_ptr<Number>() + at : nullptr,
                             gradient.const_data_ptr<Number>() + at,
                             kept.mean.const_data_ptr<Number>(),
                             by_x ? scaling.scale.const_data_ptr<Number>() : nullptr,
                             by_x ? scaling.shift.const_data_ptr<Number>() : nullptr};
  };
  Sums<Number> sums(parts);
  over_parts(parts, [&](std::int64_t part) {
    Number* const before =
        kept.y.defined() ? of.added.mutable_data_ptr<Number>() + parts.first(part) * parts.channels : nullptr;
    map_kernels_of<Number>().gradient_sums(parts.shape(part), rows(part, y_gradient, kept.y),
                                           sums.of(part, 0), sums.of(part, 1), before);
  });
  const Tensor total = at::zeros({2, parts.channels}, at::kDouble);
  double* const totals = total.mutable_data_ptr<double>();
  for (std::int64_t part = 0; part < parts.count; ++part) {
    const Number* const of_part = sums.of(part, 0);
    for (std::int64_t i = 0; i < 2 * parts.channels; ++i) totals[i] += of_part[i];
  }
  const auto type = kept.x.scalar_type();
  const Tensor rstd = kept.rstd.to(at::kDouble), scale = kept.gain.to(at::kDouble) * rstd;
  const Tensor mean_of_gradient = total[0] / static_cast<double>(parts.all);
  const Tensor of_distance = scale * rstd * rstd * total[1] / -static_cast<double>(parts.all);
  const Tensor factors = at::stack({scale, of_distance, -scale * mean_of_gradient}).to(type);
  const Number* const factor = factors.const_data_ptr<Number>();
  of.gain = (total[1] * rstd).to(type);
  of.bias = total[0].to(type);
  Number* const to = of.x.mutable_data_ptr<Number>();
  over_parts(parts, [&](std::int64_t part) {
    map_kernels_of<Number>().gradient(
        parts.shape(part), rows(part, kept.added ? of.added : y_gradient, Tensor()), factor,
        factor + parts.channels, factor + 2 * parts.channels, to + parts.first(part) * parts.channels);
  });
  return of;
}

Tensor map_like(const Tensor& rows) { return rows.defined() ? map_of_rows(rows) : rows; }

class BatchNorm : public torch::autograd::Function<BatchNorm> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gain, const Tensor& bias,
                        const std::optional<Tensor>& added, bool rectified, const Tensor& mean,
                        const Tensor& rstd) {
    const Tensor rows = rows_of_map(x), added_rows = added ? rows_of_map(*added) : Tensor();
    const Scaling scaling(mean, rstd, gain, bias);
    const Tensor y = x.scalar_type() == at::kFloat ? normalized<float>(rows, scaling, added_rows, rectified)
                                                   : normalized<double>(rows, scaling, added_rows, rectified);
    const Tensor map = map_of_rows(y);
    context->save_for_backward({x, rectified && added ? map : Tensor(), mean, rstd, gain, bias});
    context->saved_data["added"] = added.has_value();
    context->saved_data["rectified"] = rectified;
    return map;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    // Views that know of none before them: autograd adds what joins into their memory, not into new one.
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    const variable_list saved = context->get_saved_variables();
    const Kept kept{rows_of_map(saved[0]),
                    saved[1].defined() ? rows_of_map(saved[1]) : Tensor(),
                    saved[2],
                    saved[3],
                    saved[4],
                    saved[5],
                    context->saved_data.at("added").toBool(),
                    context->saved_data.at("rectified").toBool()};
    const Tensor gradient = rows_of_map(gradients[0]);
    const Gradients of = kept.x.scalar_type() == at::kFloat ? gradients_of<float>(kept, gradient)
                                                            : gradients_of<double>(kept, gradient);
    return {map_like(of.x), of.gain, of.bias, map_like(of.added), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

BatchNormed batch_normed(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon,
                         const Tensor& added, bool rectified) {
  const Tensor rows = rows_of_map(x.detach());
  const Parts parts(rows);
  Moments moments =
      x.scalar_type() == at::kFloat ? moments_of<float>(rows, parts) : moments_of<double>(rows, parts);
  const Tensor mean = at::tensor(moments.mean, at::kDouble),
               variance = at::tensor(moments.variance, at::kDouble);
  const auto type = x.scalar_type();
  const auto all = static_cast<double>(parts.all);
  const Tensor mean_kept = mean.to(type), rstd = (variance + epsilon).rsqrt().to(type);
  Tensor y = BatchNorm::apply(x, gain, bias, added.defined() ? std::optional(added) : std::nullopt, rectified,
                              mean_kept, rstd);
  return {std::move(y), mean_kept, (variance * (all / (all - 1))).to(type)};
}

}  // namespace vitrail::models
