#include <vector>

#include <ATen/ATen.h>

#include "models/kernels/branch_rows_passes.hpp"
#include "models/kernels/rows/rows.hpp"
#include "models/layers/precision.hpp"

// B images of T tokens, R of them chosen.
namespace vitrail::models {
namespace {

using at::Tensor;

// The tokens of the chosen images, in parts that no image ends within.
struct Chosen {
  Chosen(const Tensor& x, const Tensor& rows)
      : width(x.size(-1)),
        tokens(x.numel() == 0 ? 0 : x.numel() / x.size(0) / width),
        of_image(tokens, width) {
    const std::int64_t images = rows.defined() ? rows.size(0) : x.size(0);
    for (std::int64_t i = 0; i < images; ++i)
      image.push_back(rows.defined() ? rows.const_data_ptr<std::int64_t>()[i] : i);
  }

  std::int64_t parts() const { return static_cast<std::int64_t>(image.size()) * of_image.count(); }

  // body(part, its rows, where they begin in all images' numbers, where in those of the chosen)
  template <class Body>
  void each(Body body) const {
    at::parallel_for(0, parts(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        const std::int64_t chosen = part / of_image.count(), within = part % of_image.count();
        const std::int64_t first = of_image.first(within);
        body(part, of_image.shape(within), (image[static_cast<std::size_t>(chosen)] * tokens + first) * width,
             (chosen * tokens + first) * width);
      }
    });
  }

  std::int64_t width, tokens;
  RowParts of_image;
  std::vector<std::int64_t> image;
};

std::vector<std::int64_t> chosen_shape(const Tensor& x, const Tensor& rows) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  if (rows.defined()) shape[0] = rows.size(0);
  return shape;
}

template <class Number>
NormedRows norm_of_rows(const Tensor& x, const Tensor& rows, const Tensor& gain, const Tensor& bias) {
  const Chosen chosen(x, rows);
  const std::vector<std::int64_t> shape = chosen_shape(x, rows);
  const Tensor normed = at::empty(shape, x.options());
  const Tensor gathered = rows.defined() ? at::empty(shape, x.options()) : x;
  const std::int64_t count = static_cast<std::int64_t>(chosen.image.size()) * chosen.tokens;
  const Tensor mean = at::empty({count}, x.options()), rstd = at::empty({count}, x.options());
  const RowNorm<Number> norm{gain.const_data_ptr<Number>(), bias.const_data_ptr<Number>(),
                             mean.mutable_data_ptr<Number>(), rstd.mutable_data_ptr<Number>()};
  const Number* const from = x.const_data_ptr<Number>();
  Number* const to = normed.mutable_data_ptr<Number>();
  Number* const kept = rows.defined() ? gathered.mutable_data_ptr<Number>() : nullptr;
  chosen.each([&](std::int64_t, RowsShape part, std::int64_t at, std::int64_t at_chosen) {
    const std::int64_t row = at_chosen / chosen.width;
    row_kernels_of<Number>().norm(part, from + at, {norm.gain, norm.bias, norm.mean + row, norm.rstd + row},
                                  kNormEpsilon, to + at_chosen, kept == nullptr ? kept : kept + at_chosen);
  });
  return {normed, gathered, mean, rstd};
}

template <class Number>
NormGradients norm_gradients(const Tensor& gradient, const NormedRows& kept, const Tensor& rows,
                             const Tensor& gain, const Tensor& bias, const Tensor& x_gradient) {
  const Chosen chosen(x_gradient, rows);
  const RowNorm<Number> norm{gain.const_data_ptr<Number>(), bias.const_data_ptr<Number>(),
                             kept.mean.mutable_data_ptr<Number>(), kept.rstd.mutable_data_ptr<Number>()};
  const Number *const g = gradient.const_data_ptr<Number>(), *const x =
                                                                 kept.gathered.const_data_ptr<Number>();
  Number* const to = x_gradient.mutable_data_ptr<Number>();
  PartSums<Number> sums(chosen.parts(), chosen.width, 2);
  chosen.each([&](std::int64_t number, RowsShape part, std::int64_t at, std::int64_t at_chosen) {
    const std::int64_t row = at_chosen / chosen.width;
    row_kernels_of<Number>().norm_backward(part, g + at_chosen, x + at_chosen,
                                           {norm.gain, norm.bias, norm.mean + row, norm.rstd + row}, to + at,
                                           sums.of(number, 0), sums.of(number, 1));
  });
  return {sums.total(0, gain.options()), sums.total(1, bias.options())};
}

template <class Number>
Tensor sum_with(const Tensor& sum, const Tensor& y, const Tensor& gamma, const Tensor& rows, double scale) {
  const Chosen chosen(sum, rows);
  const Tensor out = rows.defined() ? sum.clone() : at::empty_like(sum);
  const Number* const factors = gamma.defined() ? gamma.const_data_ptr<Number>() : nullptr;
  const Number *const from = sum.const_data_ptr<Number>(), *const added = y.const_data_ptr<Number>();
  Number* const to = out.mutable_data_ptr<Number>();
  chosen.each([&](std::int64_t, RowsShape part, std::int64_t at, std::int64_t at_chosen) {
    row_kernels_of<Number>().add(part, from + at, added + at_chosen, factors, static_cast<Number>(scale),
                                 to + at);
  });
  return out;
}

template <class Number>
AddGradients sum_gradients(const Tensor& gradient, const Tensor& y, const Tensor& gamma, const Tensor& rows,
                           double scale) {
  if (!gamma.defined() && !rows.defined() && scale == 1) return {gradient, Tensor()};
  const Chosen chosen(gradient, rows);
  const Tensor of_y = at::empty(chosen_shape(gradient, rows), gradient.options());
  const Number* const g = gradient.const_data_ptr<Number>();
  const Number* const factors = gamma.defined() ? gamma.const_data_ptr<Number>() : nullptr;
  const Number* const values = gamma.defined() ? y.const_data_ptr<Number>() : nullptr;
  Number* const to = of_y.mutable_data_ptr<Number>();
  PartSums<Number> sums(gamma.defined() ? chosen.parts() : 0, chosen.width, 1);
  chosen.each([&](std::int64_t number, RowsShape part, std::int64_t at, std::int64_t at_chosen) {
    const bool scales = factors != nullptr;
    row_kernels_of<Number>().add_backward(part, g + at, scales ? values + at_chosen : nullptr, factors,
                                          static_cast<Number>(scale), to + at_chosen,
                                          scales ? sums.of(number) : nullptr);
  });
  return {of_y, gamma.defined() ? sums.total(0, gamma.options()) : Tensor()};
}

bool is_single(const Tensor& x) { return x.scalar_type() == at::kFloat; }

}  // namespace

NormedRows norm_of_rows_cpu(const Tensor& x, const Tensor& rows, const Tensor& gain, const Tensor& bias,
                            at::ScalarType) {
  const Tensor from = x.contiguous();
  return is_single(x) ? norm_of_rows<float>(from, rows, gain, bias)
                      : norm_of_rows<double>(from, rows, gain, bias);
}

NormGradients norm_of_rows_backward_cpu(const Tensor& gradient, const NormedRows& kept, const Tensor& rows,
                                        const Tensor& gain, const Tensor& bias, Tensor& x_gradient) {
  const Tensor g = gradient.contiguous();
  const NormedRows own{Tensor(), kept.gathered.contiguous(), kept.mean, kept.rstd};
  return is_single(g) ? norm_gradients<float>(g, own, rows, gain, bias, x_gradient)
                      : norm_gradients<double>(g, own, rows, gain, bias, x_gradient);
}

Tensor add_to_rows_cpu(const Tensor& sum, const Tensor& y, const Tensor& gamma, const Tensor& rows,
                       double scale) {
  const Tensor from = sum.contiguous(), added = y.contiguous();
  return is_single(sum) ? sum_with<float>(from, added, gamma, rows, scale)
                        : sum_with<double>(from, added, gamma, rows, scale);
}

AddGradients add_to_rows_backward_cpu(const Tensor& gradient, const Tensor& y, at::ScalarType,
                                      const Tensor& gamma, const Tensor& rows, double scale) {
  const Tensor g = gradient.contiguous(), values = y.defined() ? y.contiguous() : y;
  return is_single(g) ? sum_gradients<float>(g, values, gamma, rows, scale)
                      : sum_gradients<double>(g, values, gamma, rows, scale);
}

}  // namespace vitrail::models
