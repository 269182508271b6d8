// Keys and values as written: flags of a command line, lines of an INI file; each with the place it came
// from. Boost.Program_options does the splitting, and is seen nowhere else. Throws: Error(usage) for what is
// neither key nor value.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

struct Setting {
  std::string key;
  std::string value;  // "true" for a flag that stands alone
  std::string place;  // "command line" or "configs/a.cfg:12"
  bool is_flag = false;
  std::vector<std::string> words = {};  // a flag's own words, to be passed on

  std::string label() const;  // "run.lanes", or "--run.lanes" on the command line
};

struct Words {
  std::vector<Setting> flags;
  std::vector<std::string> arguments;  // words without a key
};

// Unknown flags are among the answer: only the caller knows what could have been meant.
Words split_flags(const std::vector<std::string>& words, const std::vector<Option>& options);

std::vector<Setting> split_file(const std::string& path, const std::string& text);

}  // namespace vitrail::launcher
