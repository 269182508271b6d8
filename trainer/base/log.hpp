// Words for people: rank 0 writes them to stderr and to the run's log.txt, each line with its time; other
// ranks are silent, but any rank that has to report the end of a run leaves that in log.txt, too.
#pragma once

#include <optional>
#include <string>

#include "trainer/base/files/atomic_file.hpp"

namespace vitrail {

class Log {
 public:
  explicit Log(bool visible) : visible_(visible) {}

  void open(const std::filesystem::path& file);  // from now on also into this file
  void line(const std::string& text);
  // A text that stands on stderr already, into the file alone. Never throws.
  void keep(const std::string& text) noexcept;

 private:
  bool visible_;
  std::filesystem::path path_;
  std::optional<File> file_;
};

}  // namespace vitrail
