// What an evaluation found out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrail::trainer {

struct Score {
  std::string name;   // in metrics.jsonl and JSON: "top1"
  std::string label;  // in sentences: "top-1"
  double value = 0;
  bool is_percent = false;
  bool higher_is_better = true;
};

struct Accuracy {
  std::int64_t images = 0;
  double top1 = 0, top5 = 0;  // percent
};

// Images of class `label` that were taken for another one, or for it.
struct Confusion {
  std::int64_t label = 0, taken_for = 0, images = 0;
};

struct Scores {
  std::int64_t images = 0;
  std::vector<Score> list = {};
  std::optional<std::int64_t> neighbours = {};  // that voted, where known images chose how many
  std::optional<Accuracy> real = {};    // where any of an image's labels is right; images that have some
  std::vector<Accuracy> by_class = {};  // if asked for
  // With by_class: all pairs that there are, in their order. An image whose logits are no numbers is in none.
  std::vector<Confusion> confusion = {};

  const Score& at(std::string_view name) const;  // Error(refused) naming those that there are
  double operator[](std::string_view name) const { return at(name).value; }
};

Score top1_score(double percent);
Score top5_score(double percent);
Score loss_score(double loss);

// Than the best so far, if there is one; what is no finite number never is.
bool is_better(const Score& score, const std::optional<double>& best);

std::string describe(const Scores& scores);  // "top-1 87.50 %, top-5 99.00 %, loss 0.5000"

}  // namespace vitrail::trainer
