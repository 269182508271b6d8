#include "trainer/tasks/scores.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {

const Score& Scores::at(std::string_view name) const {
  const auto found = std::ranges::find(list, name, &Score::name);
  if (found != list.end()) return *found;
  std::string names;
  for (const Score& score : list) names += (names.empty() ? "" : ", ") + score.name;
  throw Error(ExitCode::refused, fmt::format("this evaluation has no {}, but {}", name, names));
}

Score top1_score(double percent) { return {"top1", "top-1", percent, true, true}; }
Score top5_score(double percent) { return {"top5", "top-5", percent, true, true}; }
Score loss_score(double loss) { return {"loss", "loss", loss, false, false}; }

bool is_better(const Score& score, const std::optional<double>& best) {
  if (!std::isfinite(score.value)) return false;
  if (!best) return true;
  return score.higher_is_better ? score.value > *best : score.value < *best;
}

std::string describe(const Scores& scores) {
  std::string text;
  for (const Score& score : scores.list) {
    const std::string value =
        score.is_percent ? fmt::format("{:.2f} %", score.value) : fmt::format("{:.4f}", score.value);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", score.label, value);
  }
  if (scores.neighbours) text += fmt::format(", neighbours {}", *scores.neighbours);
  return text;
}

}  // namespace vitrail::trainer
