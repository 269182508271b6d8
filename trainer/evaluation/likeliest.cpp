#include "trainer/evaluation/likeliest.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitrail::trainer {

std::vector<Prediction> likeliest(std::span<const double> logits, std::int64_t top) {
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](std::int64_t k) { return logits[static_cast<std::size_t>(k)]; };
  const auto ranks_before = [&](std::int64_t a, std::int64_t b) {
    if (std::isnan(at(a)) || std::isnan(at(b))) return std::isnan(at(b)) && (!std::isnan(at(a)) || a < b);
    return at(a) > at(b) || (at(a) == at(b) && a < b);
  };
  const auto kept = std::min<std::int64_t>(top, static_cast<std::int64_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), ranks_before);
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - at(order.front()));
  std::vector<Prediction> guesses;
  for (std::int64_t i = 0; i < kept; ++i) {
    const std::int64_t label = order[static_cast<std::size_t>(i)];
    guesses.push_back({label, at(label), std::exp(at(label) - at(order.front())) / sum});
  }
  return guesses;
}

}  // namespace vitrail::trainer
