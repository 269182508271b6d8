#include "launcher/evaluation_listing.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitrail::launcher {

std::string evaluation_text(const trainer::EvaluationMetrics& metrics) {
  std::string text = fmt::format("{} images: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f}\n", metrics.images,
                                 metrics.top1, metrics.top5, metrics.loss);
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
  return text;
}

std::string evaluation_json(const trainer::EvaluationMetrics& metrics) {
  using Json = nlohmann::ordered_json;
  Json json = {
      {"images", metrics.images}, {"top1", metrics.top1}, {"top5", metrics.top5}, {"loss", metrics.loss}};
  const auto accuracy = [](const trainer::Accuracy& one) {
    return Json{{"images", one.images}, {"top1", one.top1}, {"top5", one.top5}};
  };
  if (metrics.real) json["real"] = accuracy(*metrics.real);
  for (std::size_t k = 0; k < metrics.by_class.size(); ++k) {
    json["classes"].push_back({{"class", k}});
    json["classes"].back().update(accuracy(metrics.by_class[k]));
  }
  return json.dump();
}

}  // namespace vitrail::launcher
