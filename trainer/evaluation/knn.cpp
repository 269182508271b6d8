#include "trainer/evaluation/knn.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/subsets/coarse_classes.hpp"
#include "trainer/evaluation/neighbours.hpp"
#include "trainer/evaluation/retrieval.hpp"
#include "trainer/tasks/loss.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kAskedAtOnce = 256;
// Grafit's candidates for k, and how many of the known images choose: the first ones.
constexpr std::array<std::int64_t, 5> kCandidates = {10, 15, 20, 25, 30};
constexpr std::int64_t kValidated = 10000;

// How many classes have more votes than `label`, or as many and a lower number.
std::int64_t rank_of(const std::vector<double>& votes, std::int64_t label) {
  const double own = votes[static_cast<std::size_t>(label)];
  std::int64_t before = 0;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(votes.size()); ++k) {
    const double other = votes[static_cast<std::size_t>(k)];
    before += other > own || (other == own && k < label) ? 1 : 0;
  }
  return before;
}

// The k of which most known images are right, each left out of its own neighbours; of several the smallest.
std::int64_t cross_validated(const FeatureSet& known, const KnnOptions& options,
                             sharding::Communicator& communicator) {
  std::array<std::int64_t, kCandidates.size()> right{};
  const std::int64_t images = std::min(known.images, kValidated);
  for (std::int64_t first = 0; first < images; first += kAskedAtOnce) {
    const FeatureRows block = gather_rows(known, first, std::min(kAskedAtOnce, images - first), communicator);
    const auto found = nearest_of(known, block.rows, kCandidates.back() + 1, communicator);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (block.labels[i] == kNotKnown) continue;
      Neighbours others = found[i];
      std::erase_if(others,
                    [&](const Neighbour& one) { return one.image == first + static_cast<std::int64_t>(i); });
      for (std::size_t c = 0; c < kCandidates.size(); ++c) {
        const auto votes =
            votes_of(others, static_cast<std::size_t>(kCandidates[c]), options.classes, options.temperature);
        right[c] += rank_of(votes, block.labels[i]) < 1 ? 1 : 0;
      }
    }
  }
  return kCandidates[static_cast<std::size_t>(std::ranges::max_element(right) - right.begin())];
}

}  // namespace

KnnOptions knn_options(const Config& config, const datasets::Dataset& known) {
  const EvaluationConfig& how = config.evaluation;
  KnnOptions options{known.classes(),     how.neighbours, how.temperature,
                     how.cross_validated, how.retrieval,  {}};
  if (how.retrieval && !config.data.coarse.empty())
    options.coarse_of = datasets::read_coarse_classes(known, config.data.coarse).of_class;
  return options;
}

Scores classify_by_neighbours(FeatureSet known, FeatureSet asked, const KnnOptions& options,
                              sharding::Communicator& communicator) {
  const at::NoGradGuard no_grad;
  for (const LaneFeatures& lane : known.own) {
    for (const std::int64_t label : lane.labels)
      if (label != kNotKnown) check_label(label, options.classes);
  }
  bring_to_length_1(known);
  bring_to_length_1(asked);
  const std::int64_t count =
      options.cross_validated ? cross_validated(known, options, communicator) : options.neighbours;
  std::int64_t top1 = 0, top5 = 0;
  for (std::int64_t first = 0; first < asked.images; first += kAskedAtOnce) {
    const FeatureRows block =
        gather_rows(asked, first, std::min(kAskedAtOnce, asked.images - first), communicator);
    const auto found = nearest_of(known, block.rows, count, communicator);
    for (std::size_t i = 0; i < found.size(); ++i) {
      check_label(block.labels[i], options.classes);
      const auto votes = votes_of(found[i], found[i].size(), options.classes, options.temperature);
      const std::int64_t rank = rank_of(votes, block.labels[i]);
      top1 += rank < 1 ? 1 : 0;
      top5 += rank < 5 ? 1 : 0;
    }
  }
  const auto percent = [&](std::int64_t hits) {
    return 100 * static_cast<double>(hits) / static_cast<double>(asked.images);
  };
  Scores scores{asked.images, {top1_score(percent(top1)), top5_score(percent(top5))}};
  if (options.cross_validated) scores.neighbours = count;
  if (!options.retrieval) return scores;
  const RetrievalOptions how{options.classes, options.coarse_of, count, options.temperature};
  std::ranges::copy(retrieval_scores(known, asked, how, communicator), std::back_inserter(scores.list));
  return scores;
}

KnnScorer::KnnScorer(FeatureSet known, std::int64_t images, const models::FeatureChoice& choice,
                     const KnnOptions& options)
    : known_(std::move(known)), asked_(images, known_.lanes, known_.width, choice), options_(options) {}

void KnnScorer::add(const models::Model& model, const at::Tensor& images,
                    const datasets::EvaluationBatch& batch) {
  asked_.add(model, images, batch);
}

Scores KnnScorer::finish(sharding::Communicator& communicator) {
  return classify_by_neighbours(std::move(known_), asked_.take(), options_, communicator);
}

}  // namespace vitrail::trainer
