// metrics.jsonl as it is read: by sweeps, by plans that stand beside a run, by reports; events.jsonl, too.
// What a run has not written to the end of its line is not there yet. Lines of other kinds, and numbers that
// are absent or not finite, are passed over. Throws: Error(io) for a file nobody can read, Error(bad_data)
// for a line that is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace vitrail::trainer {

struct StepRecord {
  std::optional<std::int64_t> step;
  std::optional<double> epoch, loss, images_per_s, seconds, comm_exposed, memory_bytes;
};

struct EvaluationRecord {
  std::int64_t step = 0;
  std::map<std::string, double> scores;  // "top1", "loss": what the task counts, as far as finite

  std::optional<double> score(const std::string& name) const;
};

class MetricsReader {
 public:
  explicit MetricsReader(const std::filesystem::path& file);
  // Of a long file only the whole lines within its last bytes.
  MetricsReader(const std::filesystem::path& file, std::uint64_t last_bytes);

  // In their order; of many the last ones, for which the file is read from its end.
  std::vector<StepRecord> steps(std::size_t most = std::numeric_limits<std::size_t>::max()) const;
  std::optional<EvaluationRecord> last_evaluation() const;
  // In their order. What `take` cannot make of a line is Error(bad_data), too.
  void each(const std::function<void(const nlohmann::json& line)>& take) const;

 private:
  MetricsReader(std::filesystem::path file, std::string text, bool whole);

  std::string place_of(std::size_t line) const;  // "metrics.jsonl:7"
  nlohmann::json parsed(std::size_t line) const;

  std::filesystem::path file_;
  std::string text_;
  bool whole_;  // not only its end
  std::vector<std::string_view> lines_;
};

}  // namespace vitrail::trainer
