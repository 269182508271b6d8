// Which build this is.
#pragma once

#include <string>

#include "trainer/run/program.hpp"

namespace vitrail::launcher {

const char* commit();  // in a source that ci/commit.cmake writes at every build

trainer::ProgramFacts build_facts();  // version and commit

// "vitrail 0.1.0" and a line with the commit and the libraries; of LibTorch also the instructions that it
// chose for this processor.
std::string version_text();

}  // namespace vitrail::launcher
