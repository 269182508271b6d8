#include <algorithm>
#include <cstring>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/maps/maps.hpp"

// Rows of maps [B,N,M,C]; lines are their rows of pixels; taps [k,k] of a square kernel.
namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What a kernel sees at a block of lines is laid out for a matrix product: so many bytes stay in a cache, and
// so many pixels make a long product.
constexpr std::int64_t kBlockBytes = 1 << 19, kBlockPixels = 256;
// Lines are summed up in parts, for threads: by the shape alone. A single part would be one product on all
// threads.
constexpr std::int64_t kPartPixels = 1024, kFewestParts = 2, kMostParts = 16;

// The weight's gradient of a convolution: for each group, (gradient of y)' times what the kernel saw.
class WeightGradient {
 public:
  WeightGradient(const Tensor& x, const Tensor& y_gradient, const Tensor& weight, const ConvolutionForm& form)
      : x_(x),
        y_gradient_(y_gradient),
        form_(form),
        taps_(weight.size(2)),
        in_(x.size(3) / form.groups),
        out_(y_gradient.size(3) / form.groups),
        lines_(y_gradient.size(0) * y_gradient.size(1)),
        pixels_(y_gradient.size(2)),
        seen_(taps_ * taps_ * in_) {}

  // [O,k*k*C/groups]
  Tensor sum() const {
    const std::int64_t parts =
        std::min(std::clamp(lines_ * pixels_ / kPartPixels, kFewestParts, kMostParts), lines_);
    const Tensor sums = at::empty({parts, form_.groups, out_, seen_}, x_.options());
    at::parallel_for(0, parts * form_.groups, 1, [&](std::int64_t begin, std::int64_t end) {
      const at::AutoDispatchBelowADInplaceOrView no_autograd;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t part = i / form_.groups, group = i % form_.groups;
        Tensor to = sums[part][group];
        add_lines(group, lines_ * part / parts, lines_ * (part + 1) / parts, to);
      }
    });
    Tensor total = sums[0];
    for (std::int64_t part = 1; part < parts; ++part) total += sums[part];
    return total.flatten(0, 1);
  }

 private:
  void add_lines(std::int64_t group, std::int64_t begin, std::int64_t end, Tensor& to) const {
    const Tensor gradient = y_gradient_.view({lines_ * pixels_, -1}).narrow(1, group * out_, out_);
    const auto of_lines = [&](std::int64_t first, std::int64_t count) {
      return gradient.narrow(0, first * pixels_, count * pixels_).t();
    };
    if (sees_pixels_as_they_lie()) {
      const Tensor seen = x_.view({lines_ * pixels_, -1}).narrow(1, group * in_, in_);
      at::mm_out(to, of_lines(begin, end - begin), seen.narrow(0, begin * pixels_, (end - begin) * pixels_));
      return;
    }
    const std::int64_t row_bytes = seen_ * static_cast<std::int64_t>(x_.element_size());
    const std::int64_t product = std::max(kBlockBytes / row_bytes, kBlockPixels);
    const std::int64_t step = std::min(end - begin, std::max<std::int64_t>(product / pixels_, 1));
    const Tensor buffer = at::empty({step * pixels_, seen_}, x_.options());
    for (std::int64_t line = begin; line < end; line += step) {
      const std::int64_t count = std::min(step, end - line);
      for (std::int64_t i = 0; i < count; ++i) lay_out(group, line + i, buffer, i);
      at::addmm_out(to, to, of_lines(line, count), buffer.narrow(0, 0, count * pixels_),
                    line == begin ? 0 : 1);
    }
  }

  bool sees_pixels_as_they_lie() const { return taps_ == 1 && form_.stride == 1 && form_.padding == 0; }

  // What the kernel sees at each pixel of a line: [M,k,k,C/groups], zeros beyond the border.
  void lay_out(std::int64_t group, std::int64_t line, const Tensor& buffer, std::int64_t at) const {
    const auto size = static_cast<std::int64_t>(x_.element_size());
    const std::int64_t height = x_.size(1), width = x_.size(2), channel_bytes = x_.size(3) * size;
    const std::int64_t bytes = in_ * size,
                       from_row = line % y_gradient_.size(1) * form_.stride - form_.padding;
    const auto* const image = static_cast<const std::byte*>(x_.const_data_ptr()) +
                              line / y_gradient_.size(1) * height * width * channel_bytes + group * bytes;
    auto* to = static_cast<std::byte*>(buffer.mutable_data_ptr()) + at * pixels_ * taps_ * taps_ * bytes;
    for (std::int64_t pixel = 0; pixel < pixels_; ++pixel) {
      const std::int64_t from_column = pixel * form_.stride - form_.padding;
      for (std::int64_t tap = 0; tap < taps_ * taps_; ++tap, to += bytes) {
        const std::int64_t row = from_row + tap / taps_, column = from_column + tap % taps_;
        if (row < 0 || row >= height || column < 0 || column >= width)
          std::memset(to, 0, static_cast<std::size_t>(bytes));
        else
          std::memcpy(to, image + (row * width + column) * channel_bytes, static_cast<std::size_t>(bytes));
      }
    }
  }

  const Tensor &x_, &y_gradient_;
  ConvolutionForm form_;
  std::int64_t taps_, in_, out_, lines_, pixels_, seen_;
};

bool is_depthwise(const Tensor& x, const Tensor& weight, const ConvolutionForm& form) {
  return form.groups == x.size(3) && weight.size(0) == form.groups && weight.size(2) == 3 &&
         form.stride == 1 && form.padding == 1 && x.size(1) == x.size(2);
}

// [C,9]
template <class Number>
Tensor depthwise_weight_gradient(const Tensor& x, const Tensor& y_gradient) {
  const std::int64_t images = x.size(0), side = x.size(1), channels = x.size(3), map = side * side * channels;
  const Tensor sums = at::empty({images, 9, channels}, x.options());
  at::parallel_for(0, images, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image) {
      map_kernels_of<Number>().depthwise_weight_gradient(
          {side, channels, x.const_data_ptr<Number>() + image * map,
           y_gradient.const_data_ptr<Number>() + image * map},
          sums.mutable_data_ptr<Number>() + image * 9 * channels);
    }
  });
  return sums.sum(0).t();
}

// LibTorch's has other bits for other numbers of threads.
Tensor weight_gradient(const Tensor& x, const Tensor& y_gradient, const Tensor& weight,
                       const ConvolutionForm& form) {
  const Tensor seen = rows_of_map(x), gradient = rows_of_map(y_gradient);
  if (!is_depthwise(seen, weight, form)) {
    const Tensor sum = WeightGradient(seen, gradient, weight, form).sum();
    return sum.view({weight.size(0), weight.size(2), weight.size(3), weight.size(1)}).permute({0, 3, 1, 2});
  }
  const Tensor sum = x.scalar_type() == at::kFloat ? depthwise_weight_gradient<float>(seen, gradient)
                                                   : depthwise_weight_gradient<double>(seen, gradient);
  return sum.reshape(weight.sizes());
}

class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, const ConvolutionForm& form) {
    const Tensor seen = map_of_rows(rows_of_map(x));
    context->save_for_backward({seen, weight});
    context->saved_data["form"] = std::vector<std::int64_t>{form.stride, form.padding, form.groups};
    context->saved_data["has_bias"] = bias.has_value();
    return at::conv2d(seen, weight, bias, form.stride, form.padding, 1, form.groups);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto numbers = context->saved_data.at("form").toIntVector();
    const ConvolutionForm form{numbers[0], numbers[1], numbers[2]};
    const Tensor gradient = map_of_rows(rows_of_map(gradients[0]));
    variable_list of(4);
    if (context->needs_input_grad(0)) {
      of[0] = std::get<0>(at::convolution_backward(gradient, saved[0], saved[1], at::OptionalIntArrayRef(),
                                                   {form.stride, form.stride}, {form.padding, form.padding},
                                                   {1, 1}, false, {0, 0}, form.groups, {true, false, false}));
    }
    if (context->needs_input_grad(1)) of[1] = weight_gradient(saved[0], gradient, saved[1], form);
    if (context->saved_data.at("has_bias").toBool() && context->needs_input_grad(2))
      of[2] = gradient.sum({0, 2, 3});
    return of;
  }
};

}  // namespace

Tensor convolved(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvolutionForm& form) {
  return Convolution::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, form);
}

}  // namespace vitrail::models
