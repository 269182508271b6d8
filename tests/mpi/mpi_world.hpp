// What every MPI test begins with: a failure channel and a communicator of its own, made on all ranks
// together.
#pragma once

#include <chrono>

#include <gtest/gtest.h>

#include "sharding/failure_channel.hpp"
#include "sharding/mpi_communicator.hpp"

namespace vitrail::sharding {

class MpiWorld : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }
  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  FailureChannel failures_;
  MpiCommunicator world_{failures_};
};

}  // namespace vitrail::sharding
