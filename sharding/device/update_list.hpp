// The runs of an update that comes again and again, built once, with their scalars, which may be others each
// time. A device that works elsewhere keeps a copy of the runs from the first update on: they must not change
// after it, and the list must go before the device.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sharding/device/update_run.hpp"

namespace vitrail::sharding {

struct UpdateList {
  UpdateList() = default;
  UpdateList(std::vector<UpdateRun> all, std::vector<UpdateScalars> by_number)
      : runs(std::move(all)), scalars(std::move(by_number)) {}
  UpdateList(UpdateList&&) = default;
  UpdateList& operator=(UpdateList&&) = default;

  std::vector<UpdateRun> runs;
  std::vector<UpdateScalars> scalars;
  std::shared_ptr<const void> kept;  // by the device
};

}  // namespace vitrail::sharding
