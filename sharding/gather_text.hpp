// One string from every rank to every rank, by rank: for verdicts, reports and manifests, not for data.
// Throws: PeerFailure.
#pragma once

#include <string>
#include <vector>

#include "sharding/communicator.hpp"

namespace vitrail::sharding {

std::vector<std::string> gather_text(Communicator& communicator, const std::string& own);

// Runs `work` on every rank and agrees on the outcome: an Error on any rank becomes the same Error on all
// ranks, after all of them have come here, so that nobody waits for one that threw.
template <class Work>
void agree(Communicator& communicator, Work&& work);

// The Error that all ranks throw for the gathered outcomes; returns where every outcome is empty.
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
