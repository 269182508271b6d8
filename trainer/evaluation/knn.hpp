// Weighted k-nearest-neighbour classification of features (Caron et al. 2021): the k images of a known set
// that are nearest by cosine vote for their labels, each with exp(cosine / temperature). Exact at any number
// of ranks: products are computed in tiles that only lanes and image numbers decide; of equal neighbours the
// lower image number counts, of equal classes the lower class. Throws: Error(bad_data) for a label outside
// the classes; PeerFailure.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/evaluation/features.hpp"
#include "trainer/metrics.hpp"

namespace vitrail::trainer {

struct KnnOptions {
  std::int64_t neighbours = 20;
  double temperature = 0.07;
};

// A set of images of which every rank has the features of its own lanes.
struct FeatureSet {
  std::int64_t images = 0, lanes = 1;
  std::vector<LaneFeatures> own;
};

// Of `asked`, by what is known of `known`. Every rank gets the same. No loss.
EvaluationMetrics classify_by_neighbours(const FeatureSet& known, const FeatureSet& asked,
                                         std::int64_t classes, const KnnOptions& options,
                                         sharding::Communicator& communicator);

}  // namespace vitrail::trainer
