#include "trainer/evaluation/neighbours.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/layers/layers.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kKnownAtOnce = 4096;  // of one lane, whoever holds it
const double kNobody = Neighbour().cosine;

void keep_nearest(Neighbours& all, std::int64_t count) {
  const auto nearer = [](const Neighbour& a, const Neighbour& b) { return a.is_nearer_than(b); };
  const auto kept = std::min<std::int64_t>(count, static_cast<std::int64_t>(all.size()));
  std::partial_sort(all.begin(), all.begin() + kept, all.end(), nearer);
  all.resize(static_cast<std::size_t>(kept));
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

}  // namespace

void bring_to_length_1(FeatureSet& set) {
  for (LaneFeatures& lane : set.own) lane.rows = models::over_length(lane.rows);
}

void look_at_cosines(const FeatureSet& known, const at::Tensor& asked, const TileRow& row) {
  for (const LaneFeatures& lane : known.own) {
    const at::Tensor rows = asked.to(lane.rows.options());
    for (std::int64_t first = 0; first < lane.rows.size(0); first += kKnownAtOnce) {
      const std::int64_t width = std::min(kKnownAtOnce, lane.rows.size(0) - first);
      const at::Tensor cosines =
          at::mm(rows, lane.rows.narrow(0, first, width).t()).to(at::kCPU, at::kDouble).contiguous();
      const double* const values = cosines.const_data_ptr<double>();
      at::parallel_for(0, asked.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) row(i, lane, first, values + i * width, width);
      });
    }
  }
}

std::vector<Neighbours> nearest_of(const FeatureSet& known, const at::Tensor& asked, std::int64_t count,
                                   sharding::Communicator& communicator) {
  std::vector<Neighbours> found(static_cast<std::size_t>(asked.size(0)));
  look_at_cosines(known, asked,
                  [&](std::int64_t i, const LaneFeatures& lane, std::int64_t first, const double* cosines,
                      std::int64_t width) {
                    Neighbours& nearest = found[static_cast<std::size_t>(i)];
                    for (std::int64_t k = 0; k < width; ++k) {
                      const std::int64_t place = first + k;
                      if (lane.labels[static_cast<std::size_t>(place)] == kNotKnown) continue;
                      const Neighbour candidate{cosines[k], lane.lane + known.lanes * place,
                                                lane.labels[static_cast<std::size_t>(place)]};
                      const bool full = static_cast<std::int64_t>(nearest.size()) >= 2 * count;
                      if (full) keep_nearest(nearest, count);
                      nearest.push_back(candidate);
                    }
                    keep_nearest(nearest, count);
                  });
  merge_over_ranks(found, count, communicator);
  return found;
}

std::vector<double> votes_of(const Neighbours& nearest, std::size_t count, std::int64_t classes,
                             double temperature) {
  std::vector<double> votes(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < std::min(count, nearest.size()); ++i)
    votes[static_cast<std::size_t>(nearest[i].label)] += std::exp(nearest[i].cosine / temperature);
  return votes;
}

}  // namespace vitrail::trainer
