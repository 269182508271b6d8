// The kernels between talking heads' matrix products, on maps of all types, against the formulas in doubles.
// Skipped where there is no GPU, be it the host (tests/support/gpu_on_host).
#include <cmath>
#include <functional>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include "models/kernels/talking_heads/talking_heads_cuda_kernels.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::models {
namespace {

using cuda::StoredType;

constexpr std::int64_t kImages = 2, kQueries = 3;

std::size_t width_of(StoredType type) { return type == StoredType::fp32 ? 4 : 2; }
// Half a unit in the last place of 1.
double rounding_of(StoredType type) {
  return type == StoredType::fp32 ? 0x1p-24 : type == StoredType::fp16 ? 0x1p-11 : 0x1p-8;
}

// Memory of the GPU that holds numbers as maps of a type.
class OnGpu {
 public:
  OnGpu(StoredType type, std::size_t count) : type_(type), count_(count), bytes_(count * width_of(type)) {
    EXPECT_EQ(cudaMalloc(&address_, bytes_), cudaSuccess);
  }
  OnGpu(StoredType type, const std::vector<double>& values) : OnGpu(type, values.size()) {
    std::vector<std::byte> stored(bytes_);
    for (std::size_t i = 0; i < count_; ++i) {
      const auto x = static_cast<float>(values[i]);
      if (type == StoredType::fp32) reinterpret_cast<float*>(stored.data())[i] = x;
      if (type == StoredType::fp16) reinterpret_cast<__half*>(stored.data())[i] = __float2half_rn(x);
      if (type == StoredType::bf16)
        reinterpret_cast<__nv_bfloat16*>(stored.data())[i] = __float2bfloat16_rn(x);
    }
    copy(stored.data(), address_);
  }
  ~OnGpu() { cudaFree(address_); }
  OnGpu(const OnGpu&) = delete;
  OnGpu& operator=(const OnGpu&) = delete;

  void* get() const { return address_; }
  float* floats() const { return static_cast<float*>(address_); }
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> all(bytes_);
    copy(address_, all.data());
    return all;
  }
  std::vector<double> values() const {
    const std::vector<std::byte> stored = bytes();
    std::vector<double> all(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      if (type_ == StoredType::fp32) all[i] = reinterpret_cast<const float*>(stored.data())[i];
      if (type_ == StoredType::fp16) all[i] = __half2float(reinterpret_cast<const __half*>(stored.data())[i]);
      if (type_ == StoredType::bf16)
        all[i] = __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(stored.data())[i]);
    }
    return all;
  }

 private:
  void copy(const void* from, void* to) const {
    EXPECT_EQ(cudaMemcpyAsync(to, from, bytes_, cudaMemcpyDefault, nullptr), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }

  StoredType type_;
  std::size_t count_, bytes_;
  void* address_ = nullptr;
};

struct MapsCase {
  int heads;
  std::int64_t keys;
};

class TalkingHeadsMapsTest : public testing::TestWithParam<MapsCase> {
 protected:
  void SetUp() override {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) GTEST_SKIP() << "no GPU: nothing was computed";
  }

  std::size_t heads() const { return static_cast<std::size_t>(GetParam().heads); }
  std::size_t keys() const { return static_cast<std::size_t>(GetParam().keys); }
  std::size_t map_elements() const { return static_cast<std::size_t>(kImages * kQueries) * heads() * keys(); }
  cuda::Maps shape(StoredType type) const { return {type, kImages, kQueries, GetParam().keys}; }

  std::vector<double> random(std::size_t count, double scale) {
    std::vector<double> values(count);
    for (double& value : values) value = scale * random_.normal();
    return values;
  }
  // f(query's offset in a map of head 0): of all queries of all images.
  void for_queries(const std::function<void(std::size_t)>& f) const {
    for (std::size_t image = 0; image < kImages; ++image) {
      for (std::size_t query = 0; query < kQueries; ++query) f((image * heads() * kQueries + query) * keys());
    }
  }
  std::size_t at(std::size_t query, std::size_t head, std::size_t key) const {
    return query + head * kQueries * keys() + key;
  }
  // to[g] = bias[g] + sum over h of weight[g][h] from[h], for a query; transposed: weight[h][g].
  void mix(std::size_t query, const OnGpu& weight, const OnGpu* bias, bool transposed,
           const std::vector<double>& from, std::vector<double>& to) const {
    const std::vector<double> w = weight.values(),
                              b = bias != nullptr ? bias->values() : std::vector<double>();
    for (std::size_t key = 0; key < keys(); ++key) {
      for (std::size_t g = 0; g < heads(); ++g) {
        double sum = bias != nullptr ? b[g] : 0;
        for (std::size_t h = 0; h < heads(); ++h)
          sum += w[transposed ? h * heads() + g : g * heads() + h] * from[at(query, h, key)];
        to[at(query, g, key)] = sum;
      }
    }
  }
  void softmax(std::size_t query, std::vector<double>& x) const {
    for (std::size_t h = 0; h < heads(); ++h) {
      double sum = 0;
      for (std::size_t key = 0; key < keys(); ++key) sum += std::exp(x[at(query, h, key)]);
      for (std::size_t key = 0; key < keys(); ++key)
        x[at(query, h, key)] = std::exp(x[at(query, h, key)]) / sum;
    }
  }
  void expect_rounded(const OnGpu& ours, const std::vector<double>& exact, StoredType type,
                      const char* what) {
    const std::vector<double> values = ours.values();
    double largest = 0;
    for (const double x : exact) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const double tolerance = rounding_of(type) * std::abs(exact[i]) + 1e-5 * largest;
      ASSERT_NEAR(values[i], exact[i], tolerance) << what << " " << i << ", type " << static_cast<int>(type);
    }
  }

  Philox random_{3, Purpose::test, 0, 0};
};

TEST_P(TalkingHeadsMapsTest, AreTheFormulasRoundedOnce) {
  const double spread = 1 / std::sqrt(static_cast<double>(heads()));
  const OnGpu lw(StoredType::fp32, random(heads() * heads(), spread)),
      lb(StoredType::fp32, random(heads(), 1));
  const OnGpu ww(StoredType::fp32, random(heads() * heads(), spread)),
      wb(StoredType::fp32, random(heads(), 1));
  const cuda::HeadMixing mixing{GetParam().heads, lw.floats(), lb.floats(), ww.floats(), wb.floats()};
  for (const StoredType type : {StoredType::fp32, StoredType::fp16, StoredType::bf16}) {
    const std::vector<double> numbers = random(map_elements(), 2);
    const OnGpu logits(type, numbers), maps(type, numbers);
    const OnGpu stats(StoredType::fp32, static_cast<std::size_t>(kImages * kQueries) * 2 * heads());
    const OnGpu probabilities(type, map_elements()), mixed(type, map_elements());
    cuda::launch_forward(mixing, shape(type), maps.get(), stats.floats(), nullptr);
    cuda::launch_recompute(mixing, shape(type), logits.get(), stats.floats(), probabilities.get(),
                           mixed.get(), nullptr);
    std::vector<double> exact_probabilities(map_elements()), exact(map_elements());
    for_queries([&](std::size_t query) {
      mix(query, lw, &lb, false, logits.values(), exact_probabilities);
      softmax(query, exact_probabilities);
      mix(query, ww, &wb, false, exact_probabilities, exact);
    });
    expect_rounded(maps, exact, type, "forward");
    expect_rounded(probabilities, exact_probabilities, type, "probabilities");
    EXPECT_EQ(mixed.bytes(), maps.bytes());

    // Both passes are in place: what backward reads is taken before.
    const OnGpu gradient(type, random(map_elements(), 1));
    const std::vector<double> p = probabilities.values(), of_mixed = gradient.values();
    cuda::launch_backward(mixing, shape(type), probabilities.get(), gradient.get(), nullptr);
    std::vector<double> of_logits(map_elements());
    for_queries([&](std::size_t query) {
      mix(query, ww, nullptr, true, of_mixed, exact);
      for (std::size_t h = 0; h < heads(); ++h) {
        double mean = 0;
        for (std::size_t key = 0; key < keys(); ++key)
          mean += p[at(query, h, key)] * exact[at(query, h, key)];
        for (std::size_t key = 0; key < keys(); ++key)
          exact[at(query, h, key)] = p[at(query, h, key)] * (exact[at(query, h, key)] - mean);
      }
      mix(query, lw, nullptr, true, exact, of_logits);
    });
    expect_rounded(probabilities, exact, type, "gradient of the mixed logits");
    expect_rounded(gradient, of_logits, type, "gradient of the logits");
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
}

// Heads that fill no group of four, keys that fill no warp, no block, and more than one turn of it.
INSTANTIATE_TEST_SUITE_P(Shapes, TalkingHeadsMapsTest,
                         testing::Values(MapsCase{1, 1}, MapsCase{3, 33}, MapsCase{4, 129}, MapsCase{5, 200},
                                         MapsCase{8, 31}, MapsCase{11, 128}, MapsCase{16, 1},
                                         MapsCase{16, 196}));

}  // namespace
}  // namespace vitrail::models
