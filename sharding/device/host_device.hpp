// The host as a device: all work is done when the call returns, by the calling thread; updates with as many
// threads as asked for.
#pragma once

#include <limits>

#include "sharding/device/device.hpp"
#include "sharding/device/parallel_for.hpp"

namespace vitrail::sharding {

class HostDevice final : public Device, private Stream {
 public:
  explicit HostDevice(ParallelFor parallel_for = serial_for) : parallel_for_(std::move(parallel_for)) {}

  std::byte* allocate(std::size_t bytes, Memory memory) override;
  void release(std::byte* bytes, Memory memory) noexcept override;
  Stream& compute() override { return *this; }
  Stream& exchange() override { return *this; }
  Stream& sums() override { return *this; }
  std::size_t most_addends() const override { return std::numeric_limits<std::size_t>::max(); }

 private:
  void copy(const std::byte* from, std::size_t bytes, std::byte* to) override;
  void add(DataType type, std::span<const Addend> addends, std::int64_t n, std::byte* to) override;
  void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) override;
  void update(UpdateKernel kernel, DataType type, UpdateList& list, std::span<Squares> squares) override;
  std::shared_ptr<const Mark> mark() override { return reached_; }
  void begin_after(const Mark&) override {}

  struct Reached final : Mark {
    void wait() const override {}
  };

  ParallelFor parallel_for_;
  std::shared_ptr<const Mark> reached_ = std::make_shared<Reached>();
};

}  // namespace vitrail::sharding
