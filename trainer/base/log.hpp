// Words for people: rank 0 writes them to stderr and to the run's log.txt, each line with its time; other
// ranks are silent, but any rank that has to report the end of a run leaves that in log.txt, too. What
// happened to the run goes into events.jsonl as well, for programs: all attempts, also steps that were lost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "trainer/base/files/atomic_file.hpp"

namespace vitrail {

// A line of events.jsonl: {time, attempt, kind, step, text} and the numbers by their names.
struct Event {
  std::string kind;       // "begin", "slow_rank"
  std::int64_t step = 0;  // finished when it happened
  std::string text;       // as the log says it
  std::map<std::string, std::int64_t> numbers = {};
};

class Log {
 public:
  explicit Log(bool visible) : visible_(visible) {}

  // From now on also into these files; the number of this attempt is rank 0's.
  void open(const std::filesystem::path& file, const std::filesystem::path& events = {},
            std::int64_t attempt = 0);
  void line(const std::string& text);
  void event(const Event& event);  // its text is a line of the log
  // A text that stands on stderr already, into the files alone, as the event "failed". Never throws.
  void keep(const std::string& text) noexcept;

 private:
  bool visible_;
  std::filesystem::path path_, events_path_;
  std::int64_t attempt_ = 0;
  std::optional<File> file_, events_;
};

}  // namespace vitrail
