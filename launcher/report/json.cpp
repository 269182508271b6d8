#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "launcher/report/forms.hpp"
#include "launcher/report/thin.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(six_digits(value)) : Json(); }

Json numbers(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(number(value));
  return json;
}

// What never changes is one number; what has a point for each step has no spread.
Json curve(const std::vector<double>& values, const std::vector<Stretch>& points) {
  const bool constant = std::ranges::all_of(values, [&](double value) { return value == values.front(); });
  if (constant) return {{"constant", number(values.front())}};
  const ThinCurve thinned = thin(values, points);
  Json json = {{"mean", numbers(thinned.mean)}};
  if (points.size() == values.size()) return json;
  json["least"] = numbers(thinned.least);
  json["most"] = numbers(thinned.most);
  return json;
}

Json steps_of(const StepTable& table, std::size_t most) {
  const std::vector<Stretch> points = stretches(table.rows(), most);
  Json step = Json::array(), epoch = Json::array(), seconds = Json::array(), curves = Json::object();
  for (const Stretch& point : points) {
    const std::size_t last = point.end - 1;
    step.push_back(table.step[last]);
    epoch.push_back(number(table.epoch[last]));
    seconds.push_back(number(table.seconds[last]));
  }
  for (std::size_t i = 0; i < table.names.size(); ++i)
    curves[table.names[i]] = curve(table.columns[i], points);
  return {{"step", step}, {"epoch", epoch}, {"seconds", seconds}, {"curves", curves}};
}

Json scores_of(const std::vector<std::pair<std::string, double>>& scores) {
  Json json = Json::object();
  for (const auto& [name, value] : scores) json[name] = number(value);
  return json;
}

Json history_of(const RunReport& run) {
  Json evaluations = Json::array(), attempts = Json::array(), events = Json::array();
  for (const ReportedEvaluation& one : run.evaluations) {
    evaluations.push_back(
        {{"step", one.step}, {"seconds", number(one.seconds)}, {"scores", scores_of(one.scores)}});
  }
  for (const ReportedAttempt& one : run.attempts) {
    attempts.push_back({{"number", one.number},
                        {"world", one.world > 0 ? Json(one.world) : Json()},
                        {"nodes", one.nodes > 0 ? Json(one.nodes) : Json()},
                        {"first_step", one.first_step},
                        {"last_step", one.last_step},
                        {"begin", number(one.begin)},
                        {"end", number(one.end)},
                        {"how", one.how}});
  }
  for (const ReportedEvent& one : run.events) {
    events.push_back({{"time", one.time},
                      {"seconds", number(one.seconds)},
                      {"attempt", one.attempt},
                      {"step", one.step ? Json(*one.step) : Json()},
                      {"kind", one.kind},
                      {"text", one.text}});
  }
  return {{"evaluations", evaluations}, {"attempts", attempts}, {"events", events}};
}

Json evaluation_of(const FinalEvaluation& evaluation) {
  Json classes = Json::array();
  for (const ReportedClass& one : evaluation.classes) {
    classes.push_back(
        {{"name", one.name}, {"images", one.images}, {"top1", number(one.top1)}, {"top5", number(one.top5)}});
  }
  Json confusion = Json::array();
  for (const ReportedMistakes& one : evaluation.confusion)
    confusion.push_back({one.label, one.taken_for, one.images});
  return {{"images", evaluation.images},   {"scores", scores_of(evaluation.scores)},
          {"weights", evaluation.weights}, {"data", evaluation.data},
          {"date", evaluation.date},       {"classes", classes},
          {"confusion", confusion}};
}

std::string in_base64(const std::string& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t own = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t three = 0;
    for (std::size_t b = 0; b < 3; ++b)
      three = three << 8 | (b < own ? static_cast<unsigned char>(bytes[i + b]) : 0U);
    for (std::size_t digit = 0; digit < 4; ++digit)
      text += digit <= own ? kDigits[three >> (18 - 6 * digit) & 63] : '=';
  }
  return text;
}

Json pictures_of(const RunReport& run) {
  Json pictures = Json::array();
  for (const ReportedPicture& one : run.pictures) {
    pictures.push_back({{"kind", one.kind},
                        {"step", one.step},
                        {"title", one.title},
                        {"text", one.text},
                        {"columns", one.columns},
                        {"width", one.width},
                        {"height", one.height},
                        {"png", in_base64(one.png)}});
  }
  return pictures;
}

Json run_of(const RunReport& run, std::size_t points) {
  Json json = {{"name", run.name},
               {"folder", run.folder.string()},
               {"state", run.state},
               {"begin", run.begin},
               {"seconds", number(run.seconds)},
               {"step", run.step},
               {"planned_steps", run.planned_steps > 0 ? Json(run.planned_steps) : Json()},
               {"epoch", number(run.epoch)},
               {"loss", number(run.loss())},
               {"images_per_s", number(run.images_per_s())},
               {"skipped", run.skipped()},
               {"steps", steps_of(run.steps, points)}};
  json.update(history_of(run));
  json["settings"] = run.settings;
  json["evaluation"] = run.evaluation ? evaluation_of(*run.evaluation) : Json();
  json["pictures"] = pictures_of(run);
  return json;
}

// A browser ends a script at `</`, wherever that stands.
std::string without_tags(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return escaped;
}

}  // namespace

std::size_t usual_points(std::size_t runs) {
  constexpr std::size_t kMost = 500, kLeast = 100, kTogether = 5000;
  return std::clamp(kTogether / std::max<std::size_t>(runs, 1), kLeast, kMost);
}

std::string report_json(const Report& report, std::size_t points) {
  const Ranking ranking = ranking_of(report);
  Json runs = Json::array();
  for (const RunReport& run : report.runs) runs.push_back(run_of(run, points));
  const Json json = {{"differences", differing_settings(report)},
                     {"ranked_by", ranking.by},
                     {"ranking", ranking.order},
                     {"runs", runs}};
  return without_tags(json.dump(-1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace vitrail::launcher
