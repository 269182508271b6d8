// What the user reads when ranks fail: once, from rank 0, whatever rank it came from. Ranks that failed with
// the same words share a line.
#pragma once

#include <string>
#include <vector>

#include "sharding/agreement/failure_channel.hpp"

namespace vitrail::launcher {

// `hosts`: of every rank; `self`: the rank that reports; `last_words` may be empty.
std::string failure_report(const std::string& what, const sharding::Settlement& settlement,
                           const std::vector<std::string>& hosts, int self, const std::string& last_words);

const char* meaning_of(ExitCode code);  // "bad data"

}  // namespace vitrail::launcher
