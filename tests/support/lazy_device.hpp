// A device that keeps the promises of sharding/device/device.hpp and not more, as a GPU does: its work is
// done as late as it may, when somebody waits for it, or, that of sums() and copies(), as early as it may;
// its memory cannot be looked at from outside. Who forgets to wait gets old values, who touches its memory
// dies.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include <sys/mman.h>

#include "sharding/device/host_device.hpp"

namespace vitrail::tests {

class LazyDevice final : public sharding::Device {
 public:
  explicit LazyDevice(bool early = false) { sums_.early = copies_.early = early; }

  std::byte* allocate(std::size_t bytes, sharding::Memory memory) override {
    const std::lock_guard lock(mutex_);
    if (memory == sharding::Memory::pinned) {
      std::byte* address = host_.allocate(bytes, memory);
      pinned_[address] = bytes;
      return address;
    }
    auto* address = static_cast<std::byte*>(
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    regions_[address] = std::vector<std::byte>(bytes);
    return address;
  }
  void release(std::byte* bytes, sharding::Memory memory) noexcept override {
    const std::lock_guard lock(mutex_);
    compute_.run_until(compute_.given);
    exchange_.run_until(exchange_.given);
    sums_.run_until(sums_.given);
    copies_.run_until(copies_.given);
    if (memory == sharding::Memory::pinned) {
      pinned_.erase(bytes);
      return host_.release(bytes, memory);
    }
    ::munmap(bytes, regions_[bytes].size());
    regions_.erase(bytes);
  }
  sharding::Stream& compute() override { return compute_; }
  sharding::Stream& exchange() override { return exchange_; }
  sharding::Stream& sums() override { return sums_; }
  sharding::Stream* copies() override { return &copies_; }
  std::size_t most_addends() const override { return 4; }

  // Work of exchange(), which may look at the device's memory where real() says.
  void in_order_of_exchange(std::function<void()> work) { exchange_.give(std::move(work)); }
  std::uint64_t sums_made() const { return sums_.added; }
  // Only while work is done.
  std::byte* real(const std::byte* address) {
    const auto* region = region_of(address);
    if (region == nullptr) return const_cast<std::byte*>(address);
    return const_cast<std::byte*>(region->second.data()) + (address - region->first);
  }

 private:
  struct LazyStream;
  struct LazyMark final : sharding::Mark {
    LazyMark(LazyStream& of, std::uint64_t count) : stream(of), until(count) {}
    void wait() const override {
      const std::lock_guard lock(stream.device.mutex_);
      stream.run_until(until);
    }
    LazyStream& stream;
    std::uint64_t until;
  };
  struct LazyStream final : sharding::Stream {
    explicit LazyStream(LazyDevice& on) : device(on) {}
    void give(std::function<void()> what) {
      const std::lock_guard lock(device.mutex_);
      work.push_back(std::move(what));
      ++given;
      if (early) run_until(given);
    }
    void run_until(std::uint64_t count) {
      for (; done < count; ++done) {
        work.front()();
        work.pop_front();
      }
    }
    void copy(const std::byte* from, std::size_t bytes, std::byte* to) override {
      if (device.reads_late(from)) {
        return give([=, this] { device.host().copy(device.real(from), bytes, device.real(to)); });
      }
      std::vector<std::byte> now(from, from + bytes);
      give([=, this] { device.host().copy(now.data(), bytes, device.real(to)); });
    }
    void add(DataType type, std::span<const sharding::Addend> addends, std::int64_t n,
             std::byte* to) override {
      if (addends.size() > device.most_addends()) throw std::invalid_argument("too many addends at once");
      give([=, this, own = std::vector(addends.begin(), addends.end())]() mutable {
        for (sharding::Addend& addend : own) addend.sum = device.real(addend.sum);
        device.host().add(type, own, n, device.real(to));
        ++added;
      });
    }
    void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) override {
      give([=, this] { device.host().widen(type, device.real(from), n, device.real(to)); });
    }
    void update(sharding::UpdateKernel kernel, DataType type, sharding::UpdateList& list,
                std::span<sharding::Squares> squares) override {
      // The runs as they were at the first update, the scalars as they are now.
      if (!list.kept) list.kept = std::make_shared<std::vector<sharding::UpdateRun>>(list.runs);
      const auto runs = std::static_pointer_cast<const std::vector<sharding::UpdateRun>>(list.kept);
      give([=, this, scalars = list.scalars] {
        sharding::UpdateList own(*runs, scalars);
        for (sharding::UpdateRun& run : own.runs) {
          for (std::byte** at : {&run.sum, &run.weight, &run.exp_avg, &run.exp_avg_sq, &run.average}) {
            *at = device.real(*at);
          }
        }
        device.host().update(kernel, type, own, squares);
      });
      if (!squares.empty()) finish();
    }
    std::shared_ptr<const sharding::Mark> mark() override {
      const std::lock_guard lock(device.mutex_);
      return std::make_shared<LazyMark>(*this, given);
    }
    void begin_after(const sharding::Mark& mark) override {
      give([passed = dynamic_cast<const LazyMark&>(mark)] { passed.wait(); });
    }
    LazyDevice& device;
    std::deque<std::function<void()>> work;
    std::uint64_t given = 0, done = 0, added = 0;
    bool early = false;
  };

  sharding::Stream& host() { return host_.compute(); }
  const std::pair<std::byte* const, std::vector<std::byte>>* region_of(const std::byte* address) {
    auto next = regions_.upper_bound(const_cast<std::byte*>(address));
    if (next == regions_.begin()) return nullptr;
    --next;
    return address < next->first + next->second.size() ? &*next : nullptr;
  }
  bool reads_late(const std::byte* address) {
    const std::lock_guard lock(mutex_);
    const auto is_in = [&](const auto& memory) {
      return address >= memory.first && address < memory.first + memory.second;
    };
    return region_of(address) != nullptr || std::ranges::any_of(pinned_, is_in);
  }

  std::recursive_mutex mutex_;
  sharding::HostDevice host_;
  std::map<std::byte*, std::vector<std::byte>> regions_;
  std::map<std::byte*, std::size_t> pinned_;
  LazyStream compute_{*this}, exchange_{*this}, sums_{*this}, copies_{*this};
};

}  // namespace vitrail::tests
