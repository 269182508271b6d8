#include "trainer/evaluation/knn.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "models/layers/layers.hpp"
#include "trainer/tasks/loss.hpp"

namespace vitrail::trainer {
namespace {

// Of a product: so many asked images against so many known ones of one lane, whoever holds it.
constexpr std::int64_t kAskedAtOnce = 256, kKnownAtOnce = 4096;
constexpr double kNobody = -2;  // below every cosine

struct Neighbour {
  double cosine = kNobody;
  std::int64_t image = 0, label = 0;

  bool is_nearer_than(const Neighbour& other) const {
    return cosine > other.cosine || (cosine == other.cosine && image < other.image);
  }
};
using Neighbours = std::vector<Neighbour>;  // nearest first

void keep_nearest(Neighbours& all, std::int64_t count) {
  const auto nearer = [](const Neighbour& a, const Neighbour& b) { return a.is_nearer_than(b); };
  const auto kept = std::min<std::int64_t>(count, static_cast<std::int64_t>(all.size()));
  std::partial_sort(all.begin(), all.begin() + kept, all.end(), nearer);
  all.resize(static_cast<std::size_t>(kept));
}

// The nearest of one lane's images to each of the asked ones, beside those found so far.
void look_in(const LaneFeatures& lane, std::int64_t lanes, const at::Tensor& asked, std::int64_t count,
             std::vector<Neighbours>& found) {
  const at::Tensor& known = lane.rows;
  for (std::int64_t first = 0; first < known.size(0); first += kKnownAtOnce) {
    const std::int64_t width = std::min(kKnownAtOnce, known.size(0) - first);
    const at::Tensor cosines =
        at::mm(asked, known.narrow(0, first, width).t()).to(at::kCPU, at::kDouble).contiguous();
    const double* const values = cosines.const_data_ptr<double>();
    at::parallel_for(0, static_cast<std::int64_t>(found.size()), 1,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; ++row) {
                         Neighbours& nearest = found[static_cast<std::size_t>(row)];
                         for (std::int64_t i = 0; i < width; ++i) {
                           const std::int64_t place = first + i;
                           const Neighbour candidate{values[row * width + i], lane.lane + lanes * place,
                                                     lane.labels[static_cast<std::size_t>(place)]};
                           const bool full = static_cast<std::int64_t>(nearest.size()) >= 2 * count;
                           if (full) keep_nearest(nearest, count);
                           nearest.push_back(candidate);
                         }
                         keep_nearest(nearest, count);
                       }
                     });
  }
}

// Every rank's nearest, merged.
void merge_over_ranks(std::vector<Neighbours>& found, std::int64_t count,
                      sharding::Communicator& communicator) {
  constexpr std::size_t kNumbers = 3;
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const std::size_t part = found.size() * static_cast<std::size_t>(count) * kNumbers;
  std::vector<double> values(ranks * part);
  double* own = values.data() + static_cast<std::size_t>(communicator.rank()) * part;
  for (Neighbours& nearest : found) {
    nearest.resize(static_cast<std::size_t>(count));
    for (const Neighbour& one : nearest) {
      *own++ = one.cosine;
      *own++ = static_cast<double>(one.image);
      *own++ = static_cast<double>(one.label);
    }
  }
  communicator.all_reduce_sum(values);
  for (std::size_t row = 0; row < found.size(); ++row) {
    Neighbours all;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const double* value = values.data() + rank * part + row * static_cast<std::size_t>(count) * kNumbers;
      for (std::int64_t k = 0; k < count; ++k, value += kNumbers) {
        if (value[0] > kNobody)
          all.push_back({value[0], static_cast<std::int64_t>(value[1]), static_cast<std::int64_t>(value[2])});
      }
    }
    keep_nearest(all, count);
    found[row] = std::move(all);
  }
}

// How many classes have more votes than `label`, or as many and a lower number.
std::int64_t rank_of(const Neighbours& nearest, std::int64_t label, std::int64_t classes,
                     double temperature) {
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (const Neighbour& one : nearest)
    votes[static_cast<std::size_t>(one.label)] += std::exp(one.cosine / temperature);
  const double own = votes[static_cast<std::size_t>(label)];
  std::int64_t before = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    const double other = votes[static_cast<std::size_t>(k)];
    before += other > own || (other == own && k < label) ? 1 : 0;
  }
  return before;
}

}  // namespace

Scores classify_by_neighbours(FeatureSet known, FeatureSet asked, const KnnOptions& options,
                              sharding::Communicator& communicator) {
  const at::NoGradGuard no_grad;
  for (LaneFeatures& lane : known.own) {
    for (const std::int64_t label : lane.labels) check_label(label, options.classes);
    lane.rows = models::over_length(lane.rows);
  }
  for (LaneFeatures& lane : asked.own) lane.rows = models::over_length(lane.rows);
  std::int64_t top1 = 0, top5 = 0;
  for (std::int64_t first = 0; first < asked.images; first += kAskedAtOnce) {
    const std::int64_t count = std::min(kAskedAtOnce, asked.images - first);
    const FeatureRows block = gather_rows(asked, first, count, communicator);
    const at::Tensor rows = known.own.empty() ? block.rows : block.rows.to(known.own.front().rows.options());
    std::vector<Neighbours> found(static_cast<std::size_t>(count));
    for (const LaneFeatures& lane : known.own) look_in(lane, known.lanes, rows, options.neighbours, found);
    merge_over_ranks(found, options.neighbours, communicator);
    for (std::size_t i = 0; i < found.size(); ++i) {
      check_label(block.labels[i], options.classes);
      const std::int64_t rank = rank_of(found[i], block.labels[i], options.classes, options.temperature);
      top1 += rank < 1 ? 1 : 0;
      top5 += rank < 5 ? 1 : 0;
    }
  }
  const auto percent = [&](std::int64_t hits) {
    return 100 * static_cast<double>(hits) / static_cast<double>(asked.images);
  };
  return {asked.images, {top1_score(percent(top1)), top5_score(percent(top5))}};
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
