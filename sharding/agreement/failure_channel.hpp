// How ranks tell each other that one of them failed, on a communicator of its own, so that nobody waits for
// ever in a collective whose peer is gone. A failing rank announces; every wait polls; then all ranks settle:
// rank 0 gathers the reports, says one verdict, and everybody leaves with its exit code. Throws: Error(io)
// when MPI refuses.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sharding/comm/mpi_handles.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::sharding {

struct Failure {
  ExitCode code = ExitCode::crash;
  std::string message;
  std::string hint;
  std::string recent_calls{};  // what the rank said to others last, one call a line; may be empty
};

struct Settlement {
  ExitCode code = ExitCode::crash;  // the same on every rank that heard the verdict
  std::map<int, Failure> failures;  // to be reported by this rank: on rank 0 all that it heard of; elsewhere
                                    // the own one where rank 0 did not answer, else none
  std::vector<int> unanswered{};    // of the ranks it waited for
};

class FailureChannel {
 public:
  FailureChannel();
  ~FailureChannel();

  void announce(const Failure& failure);  // to all other ranks, without waiting
  std::optional<int> failed_peer();       // polls; the first rank that announced a failure

  // After an own failure (already announced) or a peer's: ends within `deadline`, whatever the peers do.
  Settlement settle(const std::optional<Failure>& own, std::chrono::milliseconds deadline);

 private:
  struct Message;
  void post_receive();
  void poll();
  void send(const Message& message, int to);

  MpiComm comm_;
  std::unique_ptr<Message> incoming_;
  MpiRequest receive_;
  std::deque<std::unique_ptr<Message>> outgoing_;  // must outlive their sends
  bool reported_ = false;                          // on rank 0: others have given it up and have reported
  std::map<int, Failure> failures_;                // announced by peers, and the own
  std::map<int, bool> stopped_;                    // rank 0: peers that have nothing more to say
  std::optional<ExitCode> verdict_;
};

}  // namespace vitrail::sharding
