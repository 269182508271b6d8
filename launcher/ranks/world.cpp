#include "launcher/ranks/world.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <thread>

#include "launcher/ranks/failure_report.hpp"
#include "launcher/ranks/session_folder.hpp"
#include "launcher/ranks/start_checks.hpp"
#include "sharding/agreement/failure_channel.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "sharding/comm/call_log.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/comm/mpi_communicator.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kCallsInReport = 6;

// Then it helps to know where in the communication a rank stood; a wrong setting is explained by itself.
bool blames_the_machine(ExitCode code) {
  return code == ExitCode::crash || code == ExitCode::io || code == ExitCode::watchdog;
}

// Before and after MPI begins: `check` fails on all ranks, or on some nodes.
void check_start(const Environment& environment, const std::function<void()>& check, bool on_each_node) {
  const bool has_company = environment.world > 1 || environment.unjoined.tasks > 1;
  try {
    check();
  } catch (const Error& e) {
    if (!has_company) throw;
    end_before_world(environment, e, on_each_node);
  }
}

}  // namespace

struct World::Mpi {
  explicit Mpi(std::chrono::milliseconds timeout) : communicator(failures, timeout) {}

  sharding::MpiSession session;
  sharding::FailureChannel failures;
  sharding::MpiCommunicator communicator;
  sharding::CallLog calls{communicator};
};

World::World(const Environment& environment, const sharding::ShardingConfig& config) {
  const sharding::CommunicatorKind kind = config.communicator;
  const bool alone = environment.launcher == Launcher::none;
  if (kind != sharding::CommunicatorKind::local)
    check_start(
        environment, [&] { check_joined(environment); }, false);
  if (kind == sharding::CommunicatorKind::mpi && alone) {
    throw Error(ExitCode::refused, "sharding.communicator = mpi, but no launcher started this process",
                "use vitrail launch, or leave sharding.communicator out");
  }
  if (kind == sharding::CommunicatorKind::local && environment.world > 1) {
    throw Error(ExitCode::refused,
                fmt::format("sharding.communicator = local cannot join {} ranks", environment.world),
                "leave sharding.communicator out");
  }
  if (alone || kind == sharding::CommunicatorKind::local) {
    local_ = std::make_unique<sharding::LocalCommunicator>();
    hosts_ = {environment.host};
  } else {
    check_start(
        environment, [&] { const SessionFolder can_be_made(environment.temporary); }, true);
    mpi_ = std::make_unique<Mpi>(std::chrono::seconds(config.timeout.count));
    const int rank = mpi_->communicator.rank(), size = mpi_->communicator.size();
    check_start(
        environment, [&] { check_world(environment, rank, size); }, false);
    hosts_ = sharding::gather_text(mpi_->communicator, environment.host);
  }
}

World::~World() = default;

sharding::Communicator& World::communicator() {
  return mpi_ ? static_cast<sharding::Communicator&>(mpi_->calls) : *local_;
}

ExitCode World::run(const std::string& what, const std::function<ExitCode()>& work,
                    const std::function<std::string()>& last_words) {
  what_ = what;
  last_words_ = last_words;
  std::optional<sharding::Failure> own;
  try {
    return work();
  } catch (const sharding::PeerFailure&) {
    // Its report comes from the rank that failed.
  } catch (const sharding::AgreedError& e) {
    if (e.rank() == communicator().rank()) own = {e.code(), e.what(), e.hint()};
  } catch (const Error& e) {
    own = {e.code(), e.what(), e.hint()};
  } catch (const std::bad_alloc&) {
    own = {ExitCode::crash, "out of memory",
           "use more ranks, or a smaller data.global_batch_size / run.lanes"};
  } catch (const std::exception& e) {
    own = {ExitCode::crash, e.what(), ""};
  }
  constexpr std::chrono::milliseconds kDeadline{8000};
  sharding::Settlement settlement;
  if (mpi_) {
    if (own && blames_the_machine(own->code)) own->recent_calls = mpi_->calls.describe_last(kCallsInReport);
    if (own) mpi_->failures.announce(*own);
    settlement = mpi_->failures.settle(own, kDeadline);
  } else {
    settlement = {own->code, {{0, *own}}, {}};
  }
  if (!settlement.failures.empty()) report(settlement);
  if (!mpi_) return settlement.code;
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(settlement.code));
}

void World::report(const sharding::Settlement& settlement) const {
  const std::string last = last_words_ ? last_words_() : "";
  const int rank = mpi_ ? mpi_->communicator.rank() : 0;
  const std::string text = failure_report(what_, settlement, hosts_, rank, last);
  std::fputs(text.c_str(), stderr);
  if (keep_) keep_(text);
}

void World::give_up(const std::string& why) {
  // Open MPI ends all ranks once one is gone: rank 0 shall have reported by then.
  constexpr std::chrono::seconds kForTheReport{3};
  const int rank = communicator().rank();
  const sharding::Failure failure{ExitCode::watchdog, why, "",
                                  mpi_ ? mpi_->calls.describe_last(kCallsInReport) : ""};
  if (rank == 0) report({failure.code, {{rank, failure}}, {}});
  if (mpi_) {
    mpi_->failures.announce(failure);
    std::this_thread::sleep_for(kForTheReport);
  }
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(ExitCode::watchdog));
}

}  // namespace vitrail::launcher
