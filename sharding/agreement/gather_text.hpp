// One string from every rank to every rank, by rank: for verdicts, reports and manifests, not for data.
// Throws: PeerFailure.
#pragma once

#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"

namespace vitrail::sharding {

std::vector<std::string> gather_text(Communicator& communicator, const std::string& own);

// What agree() throws: one rank's Error, the same on all ranks.
class AgreedError : public Error {
 public:
  AgreedError(const Error& error, int rank) : Error(error), rank_(rank) {}
  int rank() const { return rank_; }  // the one it happened on

 private:
  int rank_;
};

// Runs `work` on every rank and agrees on the outcome: an Error on any rank becomes the same AgreedError on
// all ranks, after all of them have come here, so that nobody waits for one that threw.
template <class Work>
void agree(Communicator& communicator, Work&& work);

// Throws the AgreedError of the first outcome that is not empty, if there is one.
void throw_agreed(const std::vector<std::string>& outcomes);
std::string outcome_of(const Error& error);

template <class Work>
void agree(Communicator& communicator, Work&& work) {
  std::string outcome;
  try {
    work();
  } catch (const Error& error) {
    outcome = outcome_of(error);
  }
  throw_agreed(gather_text(communicator, outcome));
}

}  // namespace vitrail::sharding
