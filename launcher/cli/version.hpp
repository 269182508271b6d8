// Which build this is.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainer/run/program.hpp"

namespace vitrail::launcher {

const char* commit();  // in a source that ci/cmake/commit.cmake writes at every build

trainer::ProgramFacts build_facts();  // version and commit

// Name and version of each library: LibTorch, CUDA, NCCL, MPI, HDF5; "none" of what this build lacks.
std::vector<std::pair<std::string, std::string>> library_versions();

std::string instructions_here();  // that LibTorch chose for this processor, "AVX2"; empty: no LibTorch

// "vitrail 0.1.0" and a line with the commit, the libraries and the instructions.
std::string version_text();

}  // namespace vitrail::launcher
