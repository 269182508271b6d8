#include "trainer/evaluation/retrieval.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "trainer/evaluation/neighbours.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kRankedAtOnce = 32;
constexpr double kLeastProbability = 1e-6;  // and most, 1 - this

// How many of a class's known images each rank has.
class ClassCounts {
 public:
  ClassCounts(const FeatureSet& known, std::int64_t classes, sharding::Communicator& communicator)
      : classes_(static_cast<std::size_t>(classes)),
        rank_(static_cast<std::size_t>(communicator.rank())),
        counts_(classes_ * static_cast<std::size_t>(communicator.size())) {
    for (const LaneFeatures& lane : known.own) {
      for (const std::int64_t label : lane.labels)
        if (label != kNotKnown) ++counts_[rank_ * classes_ + static_cast<std::size_t>(label)];
    }
    communicator.all_reduce_sum(counts_);
  }
  std::size_t all(std::int64_t label) const { return before(label, counts_.size() / classes_); }
  std::size_t before_own(std::int64_t label) const { return before(label, rank_); }

 private:
  std::size_t before(std::int64_t label, std::size_t ranks) const {
    double sum = 0;
    for (std::size_t rank = 0; rank < ranks; ++rank)
      sum += counts_[rank * classes_ + static_cast<std::size_t>(label)];
    return static_cast<std::size_t>(sum);
  }

  std::size_t classes_, rank_;
  std::vector<double> counts_;
};

bool nearer(const Neighbour& a, const Neighbour& b) { return a.is_nearer_than(b); }

// What a query's cosine with an image of a class is added to.
using Conditions = std::vector<std::vector<double>>;  // [query][class]

struct Block {
  const FeatureSet& known;
  at::Tensor rows;  // [Q,D]
  std::vector<std::int64_t> labels;
  const ClassCounts& counts;
  sharding::Communicator& communicator;

  std::size_t size() const { return labels.size(); }
};

template <class F>
void look_at_scores(const Block& block, const Conditions& conditions, const F& look) {
  look_at_cosines(
      block.known, block.rows,
      [&](std::int64_t i, const LaneFeatures& lane, std::int64_t first, const double* cosines,
          std::int64_t width) {
        const auto query = static_cast<std::size_t>(i);
        for (std::int64_t k = 0; k < width; ++k) {
          const std::int64_t label = lane.labels[static_cast<std::size_t>(first + k)];
          if (label == kNotKnown) continue;
          const double more = conditions[query][static_cast<std::size_t>(label)];
          look(query, Neighbour{cosines[k] + more, lane.lane + block.known.lanes * (first + k), label});
        }
      });
}

// Of each query, the known images of its class, nearest first.
std::vector<Neighbours> relevant_images(const Block& block, const Conditions& conditions) {
  std::vector<Neighbours> own(block.size());
  look_at_scores(block, conditions, [&](std::size_t query, const Neighbour& image) {
    if (image.label == block.labels[query]) own[query].push_back(image);
  });
  std::vector<double> values;
  for (std::size_t query = 0; query < block.size(); ++query) {
    const std::int64_t label = block.labels[query];
    const std::size_t begin = values.size() + 2 * block.counts.before_own(label);
    values.resize(values.size() + 2 * block.counts.all(label));
    for (std::size_t i = 0; i < own[query].size(); ++i) {
      values[begin + 2 * i] = own[query][i].cosine;
      values[begin + 2 * i + 1] = static_cast<double>(own[query][i].image);
    }
  }
  block.communicator.all_reduce_sum(values);
  const double* value = values.data();
  std::vector<Neighbours> all(block.size());
  for (std::size_t query = 0; query < block.size(); ++query) {
    const std::int64_t label = block.labels[query];
    for (std::size_t i = 0; i < block.counts.all(label); ++i, value += 2)
      all[query].push_back({value[0], static_cast<std::int64_t>(value[1]), label});
    std::ranges::sort(all[query], nearer);
  }
  return all;
}

// Average precisions, added up.
double sum_of_precisions(const Block& block, const Conditions& conditions) {
  const std::vector<Neighbours> relevant = relevant_images(block, conditions);
  // How many images come before the i-th relevant one, but not before the one in front of it.
  std::vector<std::vector<double>> between(block.size());
  for (std::size_t query = 0; query < block.size(); ++query) between[query].resize(relevant[query].size());
  look_at_scores(block, conditions, [&](std::size_t query, const Neighbour& image) {
    const auto place = std::ranges::upper_bound(relevant[query], image, nearer) - relevant[query].begin();
    if (place < static_cast<std::ptrdiff_t>(relevant[query].size()))
      ++between[query][static_cast<std::size_t>(place)];
  });
  std::vector<double> counts;
  for (const auto& of_query : between) counts.insert(counts.end(), of_query.begin(), of_query.end());
  block.communicator.all_reduce_sum(counts);
  const double* count = counts.data();
  double sum = 0;
  for (const Neighbours& images : relevant) {
    double before = 0, precisions = 0;
    for (std::size_t i = 0; i < images.size(); ++i) {
      before += *count++;
      precisions += static_cast<double>(i + 1) / (before + 1);
    }
    if (!images.empty()) sum += precisions / static_cast<double>(images.size());
  }
  return sum;
}

double log_odds(double probability) {
  const double p = std::clamp(probability, kLeastProbability, 1 - kLeastProbability);
  return std::log(p / (1 - p));
}

// Coarse probabilities, by neighbours' votes.
Conditions predicted(const Block& block, const RetrievalOptions& options) {
  const auto coarse_classes = 1 + *std::ranges::max_element(options.coarse_of);
  Conditions conditions;
  for (Neighbours& nearest : nearest_of(block.known, block.rows, options.neighbours, block.communicator)) {
    for (Neighbour& one : nearest) one.label = options.coarse_of[static_cast<std::size_t>(one.label)];
    const auto votes = votes_of(nearest, nearest.size(), coarse_classes, options.temperature);
    double all = 0;
    for (const double vote : votes) all += vote;
    std::vector<double> odds;
    for (const std::int64_t coarse : options.coarse_of)
      odds.push_back(log_odds(votes[static_cast<std::size_t>(coarse)] / all));
    conditions.push_back(std::move(odds));
  }
  return conditions;
}

Conditions known_by_an_oracle(const Block& block, const RetrievalOptions& options) {
  Conditions conditions;
  for (const std::int64_t label : block.labels) {
    std::vector<double> odds;
    for (const std::int64_t coarse : options.coarse_of)
      odds.push_back(log_odds(coarse == options.coarse_of[static_cast<std::size_t>(label)] ? 1 : 0));
    conditions.push_back(std::move(odds));
  }
  return conditions;
}

}  // namespace

std::vector<Score> retrieval_scores(const FeatureSet& known, const FeatureSet& asked,
                                    const RetrievalOptions& options, sharding::Communicator& communicator) {
  const at::NoGradGuard no_grad;
  const ClassCounts counts(known, options.classes, communicator);
  const bool has_coarse = !options.coarse_of.empty();
  double plain = 0, conditional = 0, oracle = 0;
  std::int64_t count = 0;
  for (std::int64_t first = 0; first < asked.images; first += kRankedAtOnce) {
    const FeatureRows rows =
        gather_rows(asked, first, std::min(kRankedAtOnce, asked.images - first), communicator);
    const Block block{known, rows.rows, rows.labels, counts, communicator};
    for (const std::int64_t label : rows.labels) count += counts.all(label) > 0 ? 1 : 0;
    const std::vector<double> nothing(static_cast<std::size_t>(options.classes));
    plain += sum_of_precisions(block, Conditions(block.size(), nothing));
    if (!has_coarse) continue;
    conditional += sum_of_precisions(block, predicted(block, options));
    oracle += sum_of_precisions(block, known_by_an_oracle(block, options));
  }
  const auto score = [&](const char* name, const char* label, double sum) {
    return Score{name, label, count == 0 ? 0 : 100 * sum / static_cast<double>(count), true, true};
  };
  std::vector<Score> scores = {score("map", "mAP", plain)};
  if (!has_coarse) return scores;
  scores.push_back(score("map_conditional", "mAP given coarse probabilities", conditional));
  scores.push_back(score("map_oracle", "mAP given coarse classes", oracle));
  return scores;
}

}  // namespace vitrail::trainer
