// The ranks of this run as this process sees them: alone without MPI, under a launcher with it. Runs the
// program's work and, when any rank fails, sees to one report and one exit code for all of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launcher/ranks/environment.hpp"
#include "sharding/agreement/failure_channel.hpp"
#include "sharding/comm/communicator.hpp"
#include "sharding/sharding_config.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

class World {
 public:
  // Throws Error(refused) for a communicator that this world cannot have.
  World(const Environment& environment, const sharding::ShardingConfig& config);
  ~World();

  sharding::Communicator& communicator();

  // The exit code of `work`, or that of its failure after the report. Never returns when another rank may be
  // gone: then the process ends here, since MPI_Finalize would wait for that rank. `what` begins the report:
  // "training". `last_words` is asked after a failure for a line that helps the user, e.g. the last
  // checkpoint.
  ExitCode run(const std::string& what, const std::function<ExitCode()>& work,
               const std::function<std::string()>& last_words = {});

  // Every report is given to `keep`, too.
  void keep_reports(std::function<void(const std::string& report)> keep) { keep_ = std::move(keep); }

  // From any thread while run() is under way: ends this rank with the watchdog's exit code; the others end,
  // too.
  [[noreturn]] void give_up(const std::string& why);

 private:
  void report(const sharding::Settlement& settlement) const;

  struct Mpi;
  std::string what_;
  std::function<std::string()> last_words_;
  std::function<void(const std::string&)> keep_;
  std::vector<std::string> hosts_;  // of every rank
  std::unique_ptr<Mpi> mpi_;        // null in a world of one
  std::unique_ptr<sharding::Communicator> local_;
};

}  // namespace vitrail::launcher
