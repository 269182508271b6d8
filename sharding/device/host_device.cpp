#include "sharding/device/host_device.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include <sys/mman.h>

#include "sharding/device/buffer.hpp"
#include "sharding/device/sum_kernels.hpp"

namespace vitrail::sharding {
namespace {

// Whole 2 MiB pages: updates and exchanges walk several long buffers at once and lose a tenth to a third of
// their time to address translation and to prefetching that ends at each page of 4 KiB. Nothing is rounded
// up.
void ask_for_huge_pages(std::byte* bytes, std::size_t size) {
  constexpr std::uintptr_t kPage = std::uintptr_t{2} << 20;
  const auto address = reinterpret_cast<std::uintptr_t>(bytes);
  const auto before = (kPage - address % kPage) % kPage;  // the first whole page
  if (before >= size) return;
  const auto whole = (size - before) / kPage * kPage;
  if (whole > 0) madvise(bytes + before, whole, MADV_HUGEPAGE);  // a wish: may be refused
}

template <class Real>
Squares update_run(UpdateKernel kernel, const UpdateRun& run, const UpdateScalars& scalars) {
  const std::int64_t n = run.elements;
  const UpdateStep& step = scalars.step;
  const double factor = scalars.factor;
  const auto as = [](std::byte* bytes) { return reinterpret_cast<Real*>(bytes); };
  Real *sum = as(run.sum), *weight = as(run.weight), *exp_avg = as(run.exp_avg),
       *exp_avg_sq = as(run.exp_avg_sq);
  switch (kernel) {
    case UpdateKernel::clip: {
      const double before = sum_of_squares(sum, n);
      if (factor == 0) return {before, before};
      clamp(static_cast<Real>(factor), n, sum);
      return {before, sum_of_squares(sum, n)};
    }
    case UpdateKernel::adamw:
      adamw_update(step, n, sum, weight, exp_avg, exp_avg_sq);
      return {};
    case UpdateKernel::sgd:
      sgd_update(step, n, sum, weight, exp_avg);
      return {};
    case UpdateKernel::lamb_direction:
      if (factor != 1) multiply(factor, n, weight);
      return lamb_direction(step, n, sum, weight, exp_avg, exp_avg_sq);
    case UpdateKernel::apply_update:
      apply_update(factor, n, sum, weight);
      return {};
    case UpdateKernel::move_average:
      move_towards(factor, n, weight, as(run.average));
      return {};
    case UpdateKernel::squares:
      return {sum_of_squares(sum, n), sum_of_squares(weight, n)};
    case UpdateKernel::scale:
      if (factor != 1) multiply(factor, n, sum);
      return {};
    case UpdateKernel::follow:
      follow(factor, step.gradient_scale, n, sum, weight);
      return {};
  }
  return {};
}

}  // namespace

std::byte* HostDevice::allocate(std::size_t bytes, Memory) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t rounded = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  auto* address = static_cast<std::byte*>(std::aligned_alloc(kCacheLine, rounded));
  if (address == nullptr) throw std::bad_alloc();
  ask_for_huge_pages(address, rounded);
  std::memset(address, 0, rounded);
  return address;
}

void HostDevice::release(std::byte* bytes, Memory) noexcept { std::free(bytes); }

void HostDevice::copy(const std::byte* from, std::size_t bytes, std::byte* to) {
  if (bytes > 0) std::memcpy(to, from, bytes);  // nothing may lie nowhere
}

// Piece by piece, so that what is between two additions stays in the second-level cache.
void HostDevice::add(DataType type, std::span<const Addend> addends, std::int64_t n, std::byte* to) {
  constexpr std::int64_t kPiece = 1 << 12;
  const std::size_t width = size_of(type);
  const std::size_t room = static_cast<std::size_t>(std::min(n, kPiece)) * width;
  std::vector<std::byte> between(addends.size() > 2 ? (addends.size() - 1) * room : 0);
  std::vector<std::byte> wide(std::ranges::any_of(addends, [&](const Addend& a) { return a.type != type; })
                                  ? addends.size() * room
                                  : 0);
  std::vector<const std::byte*> left;
  for (std::int64_t begin = 0; begin < n; begin += kPiece) {
    const std::size_t offset = static_cast<std::size_t>(begin) * width;
    left.clear();
    std::size_t additions = 0;
    for (std::size_t a = 0; a < addends.size(); ++a) {
      const Addend& addend = addends[a];
      left.push_back(addend.sum + offset / width * size_of(addend.type));
      if (addend.type != type) {
        sharding::widen(addend.type, left.back(), std::min(kPiece, n - begin), wide.data() + a * room);
        left.back() = wide.data() + a * room;
      }
      for (int i = 0; i < addend.additions; ++i) {
        const std::byte* const right = left.back();
        left.pop_back();
        const bool is_last = ++additions == addends.size() - 1;
        std::byte* const sum = is_last ? to + offset : between.data() + (left.size() - 1) * room;
        sharding::add(type, left.back(), right, std::min(kPiece, n - begin), sum);
        left.back() = sum;
      }
    }
  }
}

void HostDevice::widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) {
  sharding::widen(type, from, n, to);
}

void HostDevice::update(UpdateKernel kernel, DataType type, UpdateList& list, std::span<Squares> squares) {
  with_real(type, [&](auto real) {
    parallel_for_(static_cast<std::int64_t>(list.runs.size()), [&](std::int64_t begin, std::int64_t end) {
      for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
        const UpdateRun& run = list.runs[r];
        const UpdateScalars& scalars = list.scalars[static_cast<std::size_t>(run.scalars)];
        const Squares own = update_run<decltype(real)>(kernel, run, scalars);
        if (!squares.empty()) squares[r] = own;
      }
    });
  });
}

}  // namespace vitrail::sharding
