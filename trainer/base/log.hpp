// Words for people: rank 0 writes them to stderr and to the run's log.txt, other ranks are silent.
#pragma once

#include <optional>
#include <string>

#include "trainer/base/atomic_file.hpp"

namespace vitrail {

class Log {
 public:
  explicit Log(bool visible) : visible_(visible) {}

  void open(const std::filesystem::path& file);  // from now on also into this file
  void line(const std::string& text);

 private:
  bool visible_;
  std::optional<File> file_;
};

}  // namespace vitrail
