#include "launcher/commands/asking/evaluation_listing.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitrail::launcher {

using Json = nlohmann::ordered_json;

std::string evaluation_text(const trainer::Evaluated& evaluated) {
  const trainer::Scores& metrics = evaluated.metrics;
  std::string text = fmt::format("{} images: {}\n", metrics.images, describe(metrics));
  if (metrics.real) {
    text += fmt::format("{} images with reassessed labels: top-1 {:.2f} %, top-5 {:.2f} %\n",
                        metrics.real->images, metrics.real->top1, metrics.real->top5);
  }
  if (!metrics.by_class.empty())
    text += fmt::format("{:>6} {:>8} {:>8} {:>8}\n", "class", "images", "top-1", "top-5");
  for (std::size_t k = 0; k < metrics.by_class.size(); ++k) {
    const trainer::Accuracy& one = metrics.by_class[k];
    text += fmt::format("{:>6} {:>8} {:>8.2f} {:>8.2f}\n", k, one.images, one.top1, one.top5);
  }
  return text + describe(evaluated.used) + "\n";
}

Json json_of(const trainer::UsedRecord& used) {
  Json json = {{"weights", used.weights.path},
               {"ema", used.weights.which == trainer::WeightsUsed::ema},
               {"step", nullptr},
               {"planned_steps", nullptr},
               {"weights_hash", used.weights.hash},
               {"data", used.data},
               {"data_fingerprint", used.data_fingerprint},
               {"date", used.date}};
  if (used.knn) {
    json["knn"] = {{"known", used.knn->known},
                   {"known_fingerprint", used.knn->known_fingerprint},
                   {"features", used.knn->features},
                   {"neighbours", used.knn->neighbours},
                   {"temperature", used.knn->temperature}};
  }
  if (!used.weights.progress) return json;
  json["step"] = used.weights.progress->step;
  if (used.weights.progress->planned > 0) json["planned_steps"] = used.weights.progress->planned;
  return json;
}

std::string evaluation_json(const trainer::Evaluated& evaluated) {
  const trainer::Scores& metrics = evaluated.metrics;
  Json json = {{"images", metrics.images}};
  for (const trainer::Score& score : metrics.list) json[score.name] = score.value;
  if (metrics.neighbours) json["neighbours"] = *metrics.neighbours;
  const auto accuracy = [](const trainer::Accuracy& one) {
    return Json{{"images", one.images}, {"top1", one.top1}, {"top5", one.top5}};
  };
  if (metrics.real) json["real"] = accuracy(*metrics.real);
  for (std::size_t k = 0; k < metrics.by_class.size(); ++k) {
    json["classes"].push_back({{"class", k}});
    json["classes"].back().update(accuracy(metrics.by_class[k]));
  }
  for (const trainer::Confusion& one : metrics.confusion)
    json["confusion"].push_back({one.label, one.taken_for, one.images});
  json["used"] = json_of(evaluated.used);
  return json.dump();
}

}  // namespace vitrail::launcher
