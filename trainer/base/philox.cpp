#include "trainer/base/philox.hpp"

#include <cmath>
#include <numbers>

#include "trainer/base/error.hpp"
#include "trainer/base/philox_block.hpp"

namespace vitrail {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kMaxId = (std::uint64_t{1} << 40) - 1;
constexpr std::uint32_t kBlockMask = 0x00ffffff;  // 2^24 blocks of four words in one stream

}  // namespace

// 128 counter bits: 24 block, 8 purpose | 32 when | 32 id | 16 sub, 8 when, 8 id.
Philox::Philox(std::uint64_t seed, Purpose purpose, std::uint64_t when, std::uint64_t id, std::uint32_t sub) {
  if (when > kMaxId || id > kMaxId || sub > 0xffff) {
    throw Error(ExitCode::refused,
                fmt::format("random stream out of range: when {}, id {}, sub {}", when, id, sub));
  }
  key_ = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  counter_ = {static_cast<std::uint32_t>(purpose) << 24, static_cast<std::uint32_t>(when),
              static_cast<std::uint32_t>(id),
              sub << 16 | static_cast<std::uint32_t>(when >> 32) << 8 | static_cast<std::uint32_t>(id >> 32)};
}

PhiloxStart Philox::start() const {
  return {{key_[0], key_[1]}, {counter_[0], counter_[1], counter_[2], counter_[3]}};
}

void Philox::refill() {
  const PhiloxBlock block = philox_block(start(), 0, 0);
  for (unsigned i = 0; i < 4; ++i) block_[i] = block.words[i];
  if ((counter_[0] & kBlockMask) == kBlockMask) {
    throw Error(ExitCode::refused, "random stream exhausted: more than 2^26 draws from one key");
  }
  ++counter_[0];
  used_ = 0;
}

void Philox::seek(std::uint64_t draw) {
  const std::uint64_t block = draw / 4;
  if (block >= kBlockMask)
    throw Error(ExitCode::refused, fmt::format("random draw {} is out of range", draw));
  counter_[0] = (counter_[0] & ~kBlockMask) | static_cast<std::uint32_t>(block);
  refill();
  used_ = static_cast<unsigned>(draw % 4);
}

std::uint32_t Philox::next_u32() {
  if (used_ == 4) refill();
  return block_[used_++];
}

std::uint64_t Philox::next_u64() {
  const std::uint64_t low = next_u32();
  return low | static_cast<std::uint64_t>(next_u32()) << 32;
}

double Philox::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double Philox::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::uint64_t Philox::below(std::uint64_t n) {
  // Lemire's multiply-and-reject: exact, and almost never needs a second draw.
  const std::uint64_t threshold = (0 - n) % n;
  for (;;) {
    const auto product = static_cast<Wide>(next_u64()) * n;
    if (static_cast<std::uint64_t>(product) >= threshold) return static_cast<std::uint64_t>(product >> 64);
  }
}

double Philox::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is never 0
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Philox::gamma(double shape) {
  if (shape < 1.0) {  // boost: gamma(a) = gamma(a + 1) * u^(1/a)
    const double boosted = gamma(shape + 1.0);
    return boosted * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
    if (v <= 0.0) continue;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double Philox::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  return x + y > 0.0 ? x / (x + y) : 0.5;  // both underflow only for tiny shapes
}

}  // namespace vitrail
