// What every MPI test begins with: a failure channel and a communicator of its own, made on all ranks
// together; and marks, by which ranks tell each other past MPI how far they are, so that a test needs no
// clock.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sharding/agreement/failure_channel.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "sharding/comm/mpi_communicator.hpp"
#include "trainer/base/seconds_since.hpp"

namespace vitrail::sharding {

// Files in a folder that all ranks know: they are on one machine. Made on all ranks together.
class Marks {
 public:
  explicit Marks(Communicator& world) : rank_(world.rank()), size_(world.size()) {
    std::string name = testing::TempDir() + "vitrail_marks_XXXXXX";
    if (rank_ == 0 && ::mkdtemp(name.data()) == nullptr) name.clear();
    folder_ = gather_text(world, rank_ == 0 ? name : "").front();
    // Nobody goes on, and fails, while another one is still in that call.
    leave("begin");
    wait_for_all_but(rank_, "begin");
  }
  ~Marks() {
    leave("end");
    if (rank_ != 0) return;
    for (int peer = 0; peer < size_; ++peer) wait_for("end", peer);
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  Marks(const Marks&) = delete;
  Marks& operator=(const Marks&) = delete;

  void leave(const std::string& what) const { std::ofstream(path(what, rank_)) << "x"; }
  bool has(const std::string& what, int rank) const { return std::filesystem::exists(path(what, rank)); }
  // However long that takes: a mark that never comes ends with ctest's own limit.
  void wait_for(const std::string& what, int rank) const {
    while (!has(what, rank)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void wait_for_all_but(int self, const std::string& what) const {
    for (int peer = 0; peer < size_; ++peer) {
      if (peer != self) wait_for(what, peer);
    }
  }

 private:
  std::string path(const std::string& what, int rank) const {
    return fmt::format("{}/{}-{}", folder_, what, rank);
  }

  int rank_, size_;
  std::string folder_;
};

class MpiWorld : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }

  FailureChannel failures_;
  MpiCommunicator world_{failures_};
};

}  // namespace vitrail::sharding
