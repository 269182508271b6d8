#include "launcher/report/tensorboard/event_file.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "launcher/report/tensorboard/wire.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail::launcher {
namespace {

using namespace std::string_view_literals;

Message event_at(double time, std::int64_t step) { return Message().add(1, time).add(2, step); }

Message scalar(const std::string& tag, double value) {
  return Message().add(1, std::string_view(tag)).add(2, static_cast<float>(value));
}

// All that TensorBoard shows is colour; a PNG tells how it is coded itself.
Message image(const std::string& tag, const ReportedPicture& picture) {
  constexpr std::int64_t kColours = 3;
  const Message pixels = Message()
                             .add(1, std::int64_t{picture.height})
                             .add(2, std::int64_t{picture.width})
                             .add(3, kColours)
                             .add(4, std::string_view(picture.png));
  return Message().add(1, std::string_view(tag)).add(4, pixels);
}

// What the hparams plugin keeps in the metadata of a value that has no number.
Message of_plugin(std::string_view tag, const Message& content) {
  const Message data = Message().add(1, "hparams"sv).add(2, content);
  return Message().add(1, tag).add(9, Message().add(1, data));
}

// A number where all of the text is one.
Message value_of(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return Message().add(2, number);
  if (text == "true" || text == "false") return Message().add(4, std::int64_t{text == "true"});
  return Message().add(3, std::string_view(text));
}

std::string hyperparameters(const RunReport& run, double begin) {
  Message start;
  for (const auto& [key, value] : run.settings)
    start.add(1, Message().add(1, std::string_view(key)).add(2, value_of(value)));
  start.add(4, std::string_view(run.name)).add(5, begin);
  const Message session = of_plugin("_hparams_/session_start_info", Message().add(3, start));
  return record_of(event_at(begin, 0).add(5, Message().add(1, session)));
}

std::string end_of_session(const RunReport& run, double begin) {
  if (run.state != "finished" && run.state != "failed") return "";
  const std::int64_t success = 1, failure = 2;
  const Message end =
      Message().add(1, run.state == "finished" ? success : failure).add(2, begin + run.seconds);
  const Message session = of_plugin("_hparams_/session_end_info", Message().add(4, end));
  return record_of(event_at(begin + run.seconds, run.step).add(5, Message().add(1, session)));
}

// attention/0, attention/1, ..., preview: at the end of what is known of the run.
std::string pictures(const RunReport& run, double begin) {
  std::string records;
  int seen = 0;
  for (const ReportedPicture& one : run.pictures) {
    const std::string tag = one.kind == "attention" ? fmt::format("attention/{}", seen++) : one.kind;
    if (one.png.empty()) continue;
    const Message summary = Message().add(1, image(tag, one));
    records += record_of(event_at(begin + run.seconds, one.step).add(5, summary));
  }
  return records;
}

double begin_of(const RunReport& run) { return seconds_of_utc(run.begin).value_or(0); }

}  // namespace

std::string event_file(const RunReport& run) {
  const double begin = begin_of(run);
  std::string file =
      record_of(Message().add(1, begin).add(3, "brain.Event:2"sv)) + hyperparameters(run, begin);
  const StepTable& table = run.steps;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    Message summary;
    for (std::size_t i = 0; i < table.names.size(); ++i) {
      const double value = table.columns[i][row];
      if (!std::isnan(value)) summary.add(1, scalar("train/" + table.names[i], value));
    }
    file += record_of(event_at(begin + table.seconds[row], table.step[row]).add(5, summary));
  }
  for (const ReportedEvaluation& evaluation : run.evaluations) {
    Message summary;
    for (const auto& [name, value] : evaluation.scores) summary.add(1, scalar("eval/" + name, value));
    const double time = std::isnan(evaluation.seconds) ? begin : begin + evaluation.seconds;
    file += record_of(event_at(time, evaluation.step).add(5, summary));
  }
  return file + pictures(run, begin) + end_of_session(run, begin);
}

std::string event_file_name(const RunReport& run) {
  return fmt::format("events.out.tfevents.{:010}.vitrail", static_cast<std::int64_t>(begin_of(run)));
}

}  // namespace vitrail::launcher
