// Where a rank's buckets lie in a test, and what carries them to the others.
#pragma once

#include <optional>

#include "sharding/comm/staged_communicator.hpp"
#include "tests/support/late_communicator.hpp"
#include "tests/support/lazy_device.hpp"

namespace vitrail::tests {

// On the host; on a device, through the host's memory; on a device that passes its memory on itself, and
// whose sums are as late as they may or as early.
enum class Way { host, staged, device, early_sums };
constexpr Way kWays[] = {Way::host, Way::staged, Way::device, Way::early_sums};
inline const char* name_of(Way way) {
  constexpr const char* kNames[] = {"host", "staged", "device", "early sums"};
  return kNames[static_cast<int>(way)];
}

class Place {
 public:
  explicit Place(sharding::Communicator& communicator, Way way = Way::host) : plain_(communicator) {
    if (way != Way::host) lazy_.emplace(way == Way::early_sums);
    if (way == Way::staged) staged_.emplace(communicator, *lazy_);
    if (way == Way::device || way == Way::early_sums) late_.emplace(communicator, *lazy_);
  }
  sharding::Device& device() { return lazy_ ? static_cast<sharding::Device&>(*lazy_) : host_; }
  sharding::Communicator& ranks() {
    if (late_) return *late_;
    return staged_ ? *staged_ : plain_;
  }

  // Values to and from the device, at once.
  void put(const std::byte* from, std::size_t bytes, std::byte* to) {
    device().compute().copy(from, bytes, to);
  }
  void get(const std::byte* from, std::size_t bytes, std::byte* to) {
    device().compute().copy(from, bytes, to);
    device().compute().finish();
  }

 private:
  sharding::Communicator& plain_;
  sharding::HostDevice host_;
  std::optional<LazyDevice> lazy_;
  std::optional<sharding::StagedCommunicator> staged_;
  std::optional<LateCommunicator<LazyDevice>> late_;
};

}  // namespace vitrail::tests
