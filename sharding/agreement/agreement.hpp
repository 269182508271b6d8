// What must be alike on all ranks, compared, so that a rank with another program, file or memory is named
// before it spoils a run. Throws: AgreedError, of the first rank that differs from most others.
#pragma once

#include <string>
#include <vector>

#include "sharding/agreement/gather_text.hpp"

namespace vitrail::sharding {

struct Fact {
  std::string name;   // "optimizer.lr", "the program", ...
  std::string value;  // short enough for a message
};

// Collective. All ranks hand in facts of the same names, or those of one another's that they lack count as
// "missing". Where two values are equally frequent, rank 0's is taken for the right one. `code` and `hint`:
// of the error.
void check_agreement(Communicator& communicator, const std::vector<Fact>& facts, ExitCode code,
                     const std::string& hint);

// The same without ranks: what differs, in words, and on which rank first; empty texts agree. `facts` and
// `hosts` by rank.
struct Disagreement {
  int rank = 0;
  std::string words;
};
std::vector<Disagreement> find_disagreements(const std::vector<std::vector<Fact>>& facts,
                                             const std::vector<std::string>& hosts);

}  // namespace vitrail::sharding
