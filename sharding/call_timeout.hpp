// What a call throws that has waited for other ranks as long as sharding.timeout allows.
#pragma once

#include <chrono>
#include <string>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

inline Error nobody_came(std::chrono::seconds waited, const std::string& call) {
  return {
      ExitCode::watchdog,
      fmt::format("waited {} s in {} for ranks that did not come and reported nothing", waited.count(), call),
      "ranks that did not answer hang or are cut off; raise sharding.timeout if they were only slow"};
}

}  // namespace vitrail::sharding
