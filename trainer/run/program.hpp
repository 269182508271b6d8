// Which program computes here, for checkpoints and the log: so that a result can be traced to a build.
#pragma once

#include <map>
#include <string>

namespace vitrail::trainer {

using ProgramFacts = std::map<std::string, std::string>;

// XXH3-128 of the running program's file.
std::string hash_of_program();

// `build` (version and commit) with xxh3_128, libtorch and mpi.
ProgramFacts this_program(const ProgramFacts& build);

// "0.1.0 (commit 4ba7e75, LibTorch 2.11.0)"; empty facts, of an earlier build's checkpoint: "an earlier
// build"
std::string describe_program(const ProgramFacts& facts);

}  // namespace vitrail::trainer
