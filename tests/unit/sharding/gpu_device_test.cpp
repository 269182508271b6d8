// The GPU against the host, to the bit. Skipped where there is no GPU.
#include "sharding/device/gpu_device.hpp"

#include <array>
#include <cmath>
#include <map>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "sharding/device/buffer.hpp"
#include "sharding/device/host_device.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

// One run's arrays on a device.
struct Arrays {
  Buffer sum, weight, exp_avg, exp_avg_sq, average;
};

template <class Real>
std::vector<Real> random_values(std::int64_t n, std::uint64_t stream, bool positive = false) {
  Philox random(3, Purpose::test, 0, stream);
  std::vector<Real> values(static_cast<std::size_t>(n));
  for (Real& value : values) {
    const double x = random.normal() * std::exp(3 * random.normal());
    value = static_cast<Real>(positive ? std::abs(x) : x);
  }
  return values;
}

// The same once and for all: most tests begin with the same arrays.
template <class Real>
const std::vector<Real>& known_values(std::int64_t n, std::uint64_t stream, bool positive = false) {
  static std::map<std::uint64_t, std::vector<Real>> all;
  const auto [entry, is_new] = all.try_emplace(stream);
  if (is_new) entry->second = random_values<Real>(n, stream, positive);
  return entry->second;
}

void put(Device& device, std::span<const std::byte> bytes, std::byte* to) {
  device.compute().copy(bytes.data(), bytes.size(), to);
  device.compute().finish();
}

std::vector<std::byte> get(Device& device, const Buffer& buffer) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.elements()) * size_of(buffer.type()));
  device.compute().copy(buffer.data(), bytes.size(), bytes.data());
  device.compute().finish();
  return bytes;
}

template <class Real>
Buffer on(Device& device, const std::vector<Real>& values) {
  Buffer buffer(sizeof(Real) == 8 ? DataType::f64 : DataType::f32, static_cast<std::int64_t>(values.size()),
                device);
  put(device, std::as_bytes(std::span(values)), buffer.data());
  return buffer;
}

UpdateStep step_of(bool nesterov) {
  UpdateStep step;
  step.lr = 3e-3;
  step.beta1 = 0.9;
  step.beta2 = 0.999;
  step.eps = 1e-8;
  step.weight_decay = 0.02;
  step.momentum = 0.9;
  step.nesterov = nesterov;
  step.gradient_scale = 1.0 / 24;
  step.bias_correction1 = 1 - std::pow(0.9, 3);
  step.bias_correction2 = 1 - std::pow(0.999, 3);
  return step;
}

// What a kernel leaves in every array of every run, and its sums of squares, of two updates with one list.
// Runs begin `shift` elements into their arrays, which end behind them.
template <class Real>
std::vector<std::vector<std::byte>> after_update(Device& device, UpdateKernel kernel, double factor,
                                                 std::int64_t shift = 0) {
  const std::vector<std::int64_t> lengths = {1, 7, 8, 9, 511, 512, 513, 4099, kUpdateRun - 1, kUpdateRun};
  std::vector<Arrays> arrays;
  UpdateList list;
  list.scalars = {{step_of(false), factor}, {step_of(true), factor}};
  for (const std::int64_t length : lengths) {
    const std::int64_t n = length + 2 * shift;
    const auto stream = static_cast<std::uint64_t>(1000 * shift + 5 * n);
    Arrays& a = arrays.emplace_back(Arrays{on(device, known_values<Real>(n, stream)),
                                           on(device, known_values<Real>(n, stream + 1)),
                                           on(device, known_values<Real>(n, stream + 2)),
                                           on(device, known_values<Real>(n, stream + 3, /*positive=*/true)),
                                           on(device, known_values<Real>(n, stream + 4))});
    list.runs.push_back({length, a.sum.at(shift), a.weight.at(shift), a.exp_avg.at(shift),
                         a.exp_avg_sq.at(shift), a.average.at(shift), 1 - n % 2});
  }
  const bool sums = kernel == UpdateKernel::clip || kernel == UpdateKernel::squares ||
                    kernel == UpdateKernel::lamb_direction;
  std::vector<Squares> squares(sums ? list.runs.size() : 0);
  for (const double share : {1.0, 0.5}) {
    for (UpdateScalars& scalars : list.scalars) scalars.factor = factor * share;
    device.compute().update(kernel, sizeof(Real) == 8 ? DataType::f64 : DataType::f32, list, squares);
  }
  std::vector<std::vector<std::byte>> all;
  for (const Arrays& a : arrays) {
    for (const Buffer* b : {&a.sum, &a.weight, &a.exp_avg, &a.exp_avg_sq, &a.average}) {
      all.push_back(get(device, *b));
    }
  }
  const auto bytes = std::as_bytes(std::span(squares));
  all.emplace_back(bytes.begin(), bytes.end());
  return all;
}

std::vector<Addend> two(const Buffer& left, const Buffer& right) {
  return {{left.data(), left.type()}, {right.data(), right.type(), 1}};
}

// Halves below one.
std::vector<std::uint16_t> random_halves(std::int64_t n, std::uint64_t stream) {
  Philox random(3, Purpose::test, 1, stream);
  std::vector<std::uint16_t> values(static_cast<std::size_t>(n));
  for (std::uint16_t& value : values)
    value = static_cast<std::uint16_t>(random.below(0x3c00) | (random.below(2) << 15));
  return values;
}

Buffer random_buffer(DataType type, std::int64_t n, std::uint64_t stream, Device& device) {
  Buffer buffer(type, n, device);
  const auto fill = [&](const auto& values) { put(device, std::as_bytes(std::span(values)), buffer.data()); };
  if (type == DataType::f64) fill(random_values<double>(n, stream));
  if (type == DataType::f32) fill(random_values<float>(n, stream));
  if (type == DataType::f16) fill(random_halves(n, stream));
  return buffer;
}

class GpuDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
      GTEST_SKIP() << "no GPU: nothing was computed";
    }
    gpu_ = make_gpu_device(0);
  }
  HostDevice host_;
  std::unique_ptr<Device> gpu_;
};

TEST_F(GpuDeviceTest, UpdatesHaveTheBitsOfTheHost) {
  for (const UpdateKernel kernel :
       {UpdateKernel::clip, UpdateKernel::adamw, UpdateKernel::sgd, UpdateKernel::lamb_direction,
        UpdateKernel::apply_update, UpdateKernel::move_average, UpdateKernel::squares, UpdateKernel::scale,
        UpdateKernel::follow}) {
    for (const double factor : {0.0, 0.01, 0.7, 1.0}) {
      EXPECT_EQ(after_update<float>(*gpu_, kernel, factor), after_update<float>(host_, kernel, factor))
          << static_cast<int>(kernel) << " " << factor;
      EXPECT_EQ(after_update<double>(*gpu_, kernel, factor), after_update<double>(host_, kernel, factor))
          << static_cast<int>(kernel) << " " << factor;
    }
  }
}

// Only where all arrays begin at a place for it are four numbers read at once.
TEST_F(GpuDeviceTest, UpdatesOfRunsThatBeginAnywhereHaveTheBitsOfTheHost) {
  for (const UpdateKernel kernel : {UpdateKernel::clip, UpdateKernel::adamw, UpdateKernel::lamb_direction,
                                    UpdateKernel::move_average, UpdateKernel::scale}) {
    for (const std::int64_t shift : {1, 2, 4}) {
      EXPECT_EQ(after_update<float>(*gpu_, kernel, 0.7, shift),
                after_update<float>(host_, kernel, 0.7, shift))
          << static_cast<int>(kernel) << " " << shift;
      EXPECT_EQ(after_update<double>(*gpu_, kernel, 0.7, shift),
                after_update<double>(host_, kernel, 0.7, shift))
          << static_cast<int>(kernel) << " " << shift;
    }
  }
}

TEST_F(GpuDeviceTest, SumsThatBeginAnywhereHaveTheBitsOfTheHost) {
  constexpr std::int64_t kLength = 1027;
  for (const DataType type : {DataType::f64, DataType::f32, DataType::f16}) {
    for (const auto& [first, second, out] : {std::array{0, 1, 0}, {1, 1, 1}, {2, 0, 3}, {4, 8, 4}}) {
      const auto result = [&, first = first, from = std::array{first, second}, to = out](Device& device) {
        std::vector<Buffer> buffers;
        std::vector<Addend> addends;
        for (std::size_t i = 0; i < from.size(); ++i) {
          buffers.push_back(random_buffer(type, kLength + 16, i, device));
          addends.push_back({buffers.back().at(from.at(i)), type, i == 0 ? 0 : 1});
        }
        Buffer sum(type, kLength + 16, device), wide(DataType::f32, kLength + 16, device);
        device.compute().add(type, addends, kLength, sum.at(to));
        if (type == DataType::f16) device.compute().widen(type, sum.at(first), kLength, wide.at(second));
        addends.push_back({buffers.back().at(3), type, 1});
        device.compute().add(type, addends, kLength, buffers.front().at(first));
        device.compute().finish();
        return std::array{get(device, sum), get(device, wide), get(device, buffers.front())};
      };
      EXPECT_EQ(result(*gpu_), result(host_)) << name_of(type) << " " << first << second << out;
    }
  }
}

// All finite halves, each added to another.
TEST_F(GpuDeviceTest, SumsHaveTheBitsOfTheHost) {
  for (const DataType type : {DataType::f16, DataType::bf16}) {
    const std::uint16_t exponent = type == DataType::f16 ? 0x7c00 : 0x7f80;
    std::vector<std::uint16_t> left, right;
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
      if ((bits & exponent) == exponent) continue;
      left.push_back(static_cast<std::uint16_t>(bits));
    }
    for (std::size_t i = 0; i < left.size(); ++i) right.push_back(left[i * 7919 % left.size()]);
    const auto n = static_cast<std::int64_t>(left.size());
    const auto result = [&](Device& device) {
      Buffer a(type, n, device), b(type, n, device), wide(DataType::f32, n, device);
      put(device, std::as_bytes(std::span(left)), a.data());
      put(device, std::as_bytes(std::span(right)), b.data());
      device.exchange().widen(type, a.data(), n, wide.data());
      device.exchange().add(type, two(a, b), n, a.data());
      device.exchange().finish();
      return std::make_pair(get(device, a), get(device, wide));
    };
    EXPECT_EQ(result(*gpu_), result(host_)) << name_of(type);
  }
  const auto x = random_values<double>(100'003, 1), y = random_values<double>(100'003, 2);
  const auto result = [&](Device& device) {
    Buffer a = on(device, x);
    const Buffer b = on(device, y);
    device.compute().add(DataType::f64, two(a, b), a.elements(), a.data());
    return get(device, a);
  };
  EXPECT_EQ(result(*gpu_), result(host_));
}

// Trees, what a lane's gradient ends, the library's order of ranks, and as many as one pass takes.
TEST_F(GpuDeviceTest, SumsOfManyHaveTheBitsOfTheHost) {
  std::vector<std::vector<int>> shapes = {{0, 1, 0, 2}, {0, 1, 0, 2, 0, 1, 0, 3}, {0, 0, 0, 3}, {0, 1, 1}};
  shapes.emplace_back(gpu_->most_addends(), 1).front() = 0;
  constexpr std::int64_t kLength = 1000;
  for (const DataType type : {DataType::f64, DataType::f32, DataType::f16}) {
    for (const std::vector<int>& additions : shapes) {
      const auto result = [&](Device& device) {
        std::vector<Buffer> buffers;
        std::vector<Addend> addends;
        for (const int following : additions) {
          buffers.push_back(random_buffer(type, kLength, buffers.size(), device));
          addends.push_back({buffers.back().data(), type, following});
        }
        device.exchange().add(type, addends, kLength, buffers.back().data());
        device.exchange().finish();
        return get(device, buffers.back());
      };
      EXPECT_EQ(result(*gpu_), result(host_)) << name_of(type) << ", " << additions.size();
    }
  }
}

// A lane's gradient in halves, which ends some sums of lanes.
TEST_F(GpuDeviceTest, HalvesJoinSumsInFullPrecision) {
  constexpr std::int64_t kLength = 5000;
  const std::vector<std::uint16_t> halves = random_halves(kLength, 9);
  for (const DataType type : {DataType::f16, DataType::bf16}) {
    for (const int sums : {1, 3}) {
      const auto result = [&](Device& device, bool widened_first) {
        std::vector<Buffer> buffers;
        std::vector<Addend> addends;
        for (int i = 0; i < sums; ++i) {
          buffers.push_back(random_buffer(DataType::f32, kLength, buffers.size(), device));
          addends.push_back({buffers.back().data(), DataType::f32});
        }
        Buffer gradient(type, kLength, device), wide(DataType::f32, kLength, device);
        put(device, std::as_bytes(std::span(halves)), gradient.data());
        device.compute().widen(type, gradient.data(), kLength, wide.data());
        const Buffer& joins = widened_first ? wide : gradient;
        addends.push_back({joins.data(), joins.type(), sums});
        device.compute().add(DataType::f32, addends, kLength, buffers.front().data());
        device.compute().finish();
        return get(device, buffers.front());
      };
      EXPECT_EQ(result(host_, false), result(host_, true)) << name_of(type) << sums;
      EXPECT_EQ(result(*gpu_, false), result(host_, true)) << name_of(type) << sums;
    }
  }
}

TEST_F(GpuDeviceTest, AStreamBeginsAfterAnothersMark) {
  const auto x = random_values<float>(1000, 1);
  Buffer a = on(*gpu_, x), sum(DataType::f32, a.elements(), *gpu_);
  gpu_->exchange().add(DataType::f32, two(a, a), a.elements(), a.data());
  gpu_->compute().begin_after(*gpu_->exchange().mark());
  gpu_->compute().add(DataType::f32, two(a, a), a.elements(), sum.data());
  std::vector<float> four_times(x);
  for (float& value : four_times) value *= 4;
  EXPECT_EQ(get(*gpu_, sum), get(host_, on(host_, four_times)));
}

// More elements than all threads of a grid take at once.
TEST_F(GpuDeviceTest, LongSumsHaveTheBitsOfTheHost) {
  constexpr std::int64_t kLength = (1 << 21) + 4321;
  std::vector<float> x(kLength);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 1021) / 7;
  const auto result = [&](Device& device) {
    Buffer a = on(device, x), wide(DataType::f32, kLength, device);
    device.compute().add(DataType::f32, two(a, a), kLength, a.data());
    device.compute().widen(DataType::bf16, a.data(), kLength, wide.data());
    return std::make_pair(get(device, a), get(device, wide));
  };
  EXPECT_EQ(result(*gpu_), result(host_));
}

TEST_F(GpuDeviceTest, MemoryBeginsAtZeroAndRoomGrows) {
  for (const Memory memory : {Memory::device, Memory::pinned}) {
    const Buffer buffer(DataType::u8, 12'345'678, *gpu_, memory);
    EXPECT_EQ(get(*gpu_, buffer), std::vector<std::byte>(12'345'678));
  }
  EXPECT_THROW(Buffer(DataType::u8, std::int64_t{1} << 50, *gpu_), std::bad_alloc);
}

TEST_F(GpuDeviceTest, RefusedMemoryIsAskedForTwiceAndIsNoErrorOfTheNextSum) {
  int asked = 0;
  const auto gpu = make_gpu_device(0, [&] { ++asked; });
  const Buffer one = on(*gpu, std::vector<float>(100, 1));
  Buffer sum(DataType::f32, 100, *gpu);
  EXPECT_EQ(asked, 0);
  EXPECT_THROW(Buffer(DataType::u8, std::int64_t{1} << 50, *gpu), std::bad_alloc);
  EXPECT_EQ(asked, 1);
  gpu->compute().add(DataType::f32, two(one, one), 100, sum.data());
  EXPECT_EQ(get(*gpu, sum), get(*gpu, on(*gpu, std::vector<float>(100, 2))));
}

}  // namespace
}  // namespace vitrail::sharding
