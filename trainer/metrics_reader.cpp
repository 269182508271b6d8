#include "trainer/metrics_reader.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::trainer {
namespace {

// Numbers that are not finite are words in the metrics.
std::optional<double> number_in(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

// Before it is parsed: a run has millions of lines.
bool may_be_evaluation(std::string_view line) { return line.find("\"eval\"") != std::string_view::npos; }

std::string last_lines(const std::filesystem::path& file, std::uint64_t bytes) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = stream ? static_cast<std::streamoff>(stream.tellg()) : 0;
  const auto most = static_cast<std::streamoff>(bytes);
  if (!stream || size <= most) return read_text(file);
  std::string text(bytes, '\0');
  stream.seekg(size - most);
  stream.read(text.data(), most);
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text.substr(std::min(text.size(), text.find('\n') + 1));  // the first line is a part of one
}

}  // namespace

std::optional<double> EvaluationRecord::score(const std::string& name) const {
  const auto found = scores.find(name);
  return found == scores.end() ? std::nullopt : std::optional(found->second);
}

MetricsReader::MetricsReader(const std::filesystem::path& file)
    : MetricsReader(file, read_text(file), true) {}

MetricsReader::MetricsReader(const std::filesystem::path& file, std::uint64_t last_bytes)
    : MetricsReader(file, last_lines(file, last_bytes), false) {}

MetricsReader::MetricsReader(std::filesystem::path file, std::string read, bool whole)
    : file_(std::move(file)), text_(std::move(read)), whole_(whole) {
  const std::string_view text = text_;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string_view::npos;
       begin = end + 1)
    lines_.push_back(text.substr(begin, end - begin));
}

std::string MetricsReader::place_of(std::size_t line) const {
  return whole_ ? fmt::format("{}:{}", file_.string(), line + 1)
                : fmt::format("{}, line {} from its end", file_.string(), lines_.size() - line);
}

nlohmann::json MetricsReader::parsed(std::size_t line) const {
  nlohmann::json json = nlohmann::json::parse(lines_[line], nullptr, false);
  if (json.is_object()) return json;
  throw Error(ExitCode::bad_data,
              fmt::format("{}: no JSON object: {}", place_of(line), lines_[line].substr(0, 60)));
}

std::vector<StepRecord> MetricsReader::steps(std::size_t most) const {
  std::vector<StepRecord> steps;
  for (std::size_t line = lines_.size(); line-- > 0 && steps.size() < most;) {
    const nlohmann::json json = parsed(line);
    if (json.contains("eval") || json.contains("gone_back")) continue;
    const auto step = number_in(json, "step");
    steps.push_back({step ? std::optional(static_cast<std::int64_t>(*step)) : std::nullopt,
                     number_in(json, "epoch"), number_in(json, "loss"), number_in(json, "images_per_s"),
                     number_in(json, "seconds"), number_in(json, "comm_exposed"),
                     number_in(json, "memory_bytes")});
  }
  std::ranges::reverse(steps);
  return steps;
}

void MetricsReader::each(const std::function<void(const nlohmann::json& line)>& take) const {
  for (std::size_t line = 0; line < lines_.size(); ++line) {
    const nlohmann::json json = parsed(line);
    try {
      take(json);
    } catch (const nlohmann::json::exception& e) {
      throw Error(ExitCode::bad_data, fmt::format("{}: no line that a run writes: {}: {}", place_of(line),
                                                  lines_[line].substr(0, 60), e.what()));
    }
  }
}

std::optional<EvaluationRecord> MetricsReader::last_evaluation() const {
  for (std::size_t line = lines_.size(); line-- > 0;) {
    if (!may_be_evaluation(lines_[line])) continue;
    const nlohmann::json json = parsed(line);
    if (!json.contains("eval")) continue;
    EvaluationRecord record{static_cast<std::int64_t>(number_in(json, "step").value_or(0)), {}};
    for (const auto& [name, value] : json["eval"].items()) {
      if (value.is_number()) record.scores[name] = value.get<double>();
    }
    return record;
  }
  return std::nullopt;
}

}  // namespace vitrail::trainer
