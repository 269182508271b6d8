// What `doctor` says of one thing: a figure, a verdict and, unless all is well, what to do about it. A pure
// value: checks/ make it from facts, facts/ gather these.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {

enum class Verdict { ok, warning, failed, unknown };  // unknown: this machine does not tell

const char* name_of(Verdict verdict);  // "ok", "warning", "failed", "not known here"

struct Finding {
  std::string room = {}, check = {};  // "network", "across nodes"
  Verdict verdict = Verdict::ok;
  std::string figure = {};
  std::string remedy = {};                     // empty: there is nothing to do
  std::map<std::string, double> numbers = {};  // of the figure, for programs; units in their names
  bool may_pass = false;  // failed: refused by a file system that may not refuse it again
};
using Findings = std::vector<Finding>;

Verdict worst_of(const Findings& findings);  // failed, warning or ok

// Of what is looked at before a start: done, refused, or io where all that failed may pass.
ExitCode status_of(const Findings& findings);

// "n0, n1 and 6 more": which of many.
std::string some_of(const std::vector<std::string>& names);

// "8.0 MB", "1.2 TB"; units of 1000.
std::string bytes_text(double bytes);

// "12 ms", "1.5 s", "2 h": the unit that suits.
std::string seconds_text(double seconds);

}  // namespace vitrail::launcher
