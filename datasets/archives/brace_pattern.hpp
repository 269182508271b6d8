// Names of several files in one: "train-{0000..0146}.tar", "{a,b}-{0..3}.tar", and more of them with "::"
// between (WebDataset's way). Throws: Error(usage) for braces that do not close, an empty or backward range,
// and for more than a million names.
#pragma once

#include <string>
#include <vector>

namespace vitrail::datasets {

std::vector<std::string> expand_braces(const std::string& pattern);  // in the order of the pattern

}  // namespace vitrail::datasets
