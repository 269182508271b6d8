// Layers of convolutional networks by our kernels: LibTorch's numbers, and the same bits on any number of
// threads.
#include "models/kernels/maps/maps.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/kernels/rows/rows.hpp"
#include "models/layers/precision.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

struct Form {
  std::int64_t in, out, kernel, side;
  ConvolutionForm how;
};

const std::vector<Form> kForms = {
    {3, 8, 7, 33, {2, 3, 1}},    {16, 24, 3, 14, {1, 1, 1}},  {16, 24, 3, 15, {2, 1, 1}},
    {24, 24, 3, 14, {1, 1, 24}}, {32, 32, 3, 13, {2, 1, 4}},  {64, 64, 3, 56, {1, 1, 1}},
    {512, 128, 1, 7, {1, 0, 1}}, {64, 128, 1, 15, {2, 0, 1}}, {256, 64, 1, 28, {1, 0, 1}}};

Tensor drawn(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::detail::createCPUGenerator(7), at::TensorOptions().dtype(type));
}

std::vector<Tensor> convolved_by(const Form& form, at::ScalarType type, bool ours) {
  const Tensor x = drawn({4, form.in, form.side, form.side}, type).requires_grad_();
  const Tensor weight =
      drawn({form.out, form.in / form.how.groups, form.kernel, form.kernel}, type).requires_grad_();
  const Tensor bias = drawn({form.out}, type).requires_grad_();
  const Tensor y = ours ? convolution(x, {weight, bias}, form.how.stride, form.how.padding, form.how.groups)
                        : at::conv2d(x, weight, bias, form.how.stride, form.how.padding, 1, form.how.groups);
  y.backward(drawn(y.sizes(), type));
  return {y.detach(), x.grad(), weight.grad(), bias.grad()};
}

void expect_close(const std::vector<Tensor>& own, const std::vector<Tensor>& reference, double tolerance) {
  for (std::size_t i = 0; i < own.size(); ++i) {
    const double error = (own[i] - reference[i]).norm().item<double>();
    EXPECT_LE(error, tolerance * reference[i].norm().item<double>()) << i;
  }
}

TEST(Maps, ConvolutionsAreLibTorchs) {
  for (const Form& form : kForms) {
    expect_close(convolved_by(form, at::kDouble, true), convolved_by(form, at::kDouble, false), 1e-13);
    expect_close(convolved_by(form, at::kFloat, true), convolved_by(form, at::kFloat, false), 1e-5);
  }
}

struct Normed {
  bool added, rectified;
};

std::vector<Tensor> normed_by(Normed how, at::ScalarType type, bool ours) {
  const Tensor x = (drawn({3, 70, 9, 9}, type) + 5).requires_grad_();
  const Tensor added = (drawn({70, 3, 9, 9}, type).transpose(0, 1)).clone().requires_grad_();
  const Tensor gain = drawn({70}, type).requires_grad_(), bias = drawn({70}, type).neg().requires_grad_();
  Tensor y, mean = at::zeros({70}, type), variance = at::zeros({70}, type);
  if (ours) {
    const BatchNormed normed = batch_normed(x, gain, bias, 1e-5, how.added ? added : Tensor(), how.rectified);
    y = normed.y;
    mean = normed.mean;
    variance = normed.variance;
  } else {
    y = at::batch_norm(x, gain, bias, mean, variance, true, 1, 1e-5, false);
    if (how.added) y = y + added;
    if (how.rectified) y = at::relu(y);
  }
  y.backward(drawn(y.sizes(), type).flip({0}));  // not a multiple of x: its gradient would be zero
  return {
      y.detach(), mean, variance, x.grad(), gain.grad(), bias.grad(), how.added ? added.grad() : bias.grad()};
}

TEST(Maps, BatchNormsAreLibTorchs) {
  for (const Normed how :
       {Normed{false, false}, Normed{false, true}, Normed{true, false}, Normed{true, true}}) {
    expect_close(normed_by(how, at::kDouble, true), normed_by(how, at::kDouble, false), 1e-12);
    expect_close(normed_by(how, at::kFloat, true), normed_by(how, at::kFloat, false), 1e-5);
  }
}

std::vector<Tensor> gelu_by(bool ours, const Tensor& values) {
  const Tensor x = values.clone().requires_grad_(),
               bias = drawn({values.size(1)}, at::kFloat).requires_grad_();
  const Tensor y = ours ? biased_gelu(x, bias) : at::gelu(x + bias);
  y.backward(drawn(y.sizes(), at::kFloat));
  return {y.detach(), x.grad(), bias.grad()};
}

TEST(Rows, GeluWithItsBiasIsLibTorchs) {
  const Tensor values = at::linspace(-12, 12, 3 * 67 * 50).view({201, 50});
  expect_close(gelu_by(true, values), gelu_by(false, values), 3e-7);
  const Tensor largest = (gelu_by(true, values)[0] - gelu_by(false, values)[0]).abs().max();
  EXPECT_LE(largest.item<double>(), 2e-6);
  EXPECT_TRUE(biased_gelu(at::full({1, 3}, std::nan("")), {}).isnan().all().item<bool>());
}

class MapsOnThreads : public ::testing::Test {
 protected:
  // run() on 1 thread, then on others.
  template <class Run>
  static void expect_same_bits(Run run) {
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const std::vector<Tensor> alone = run();
    for (const int threads : {2, 3, 4}) {
      at::set_num_threads(threads);
      const std::vector<Tensor> together = run();
      for (std::size_t i = 0; i < alone.size(); ++i)
        EXPECT_TRUE(at::equal(alone[i], together[i])) << i << " on " << threads;
    }
    at::set_num_threads(before);
  }
};

// Those of one pixel and small maps are single matrix products, the other results oneDNN's: neither library
// promises it. In fp32: MKL's products of fp64 depend on the number of threads on AMD's processors, whatever
// it is asked for.
TEST_F(MapsOnThreads, WeightGradientsOfConvolutionsHaveTheSameBits) {
  constexpr std::size_t kOfWeight = 2;
  for (const Form& form : kForms) {
    if (form.kernel == 1 && form.side < 14) continue;
    SCOPED_TRACE(form.in);
    expect_same_bits([&] { return std::vector{convolved_by(form, at::kFloat, true)[kOfWeight]}; });
  }
}

TEST_F(MapsOnThreads, BatchNormsAndGeluHaveTheSameBits) {
  expect_same_bits([] { return normed_by({true, true}, at::kFloat, true); });
  expect_same_bits([] { return gelu_by(true, at::linspace(-3, 3, 300 * 64).view({300, 64})); });
}

}  // namespace
}  // namespace vitrail::models
