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

namespace vitrail::trainer {

struct KnnOptions {
  std::int64_t classes = 1;
  std::int64_t neighbours = 20;
  double temperature = 0.07;
  bool cross_validated = false;              // k of 10, 15, 20, 25 and 30, by the known images alone
  bool retrieval = false;                    // retrieval.hpp's scores as well
  std::vector<std::int64_t> coarse_of = {};  // by class, for these; empty: none
};
// As evaluate.* has them. Throws: as read_coarse_classes.
KnnOptions knn_options(const Config& config, const datasets::Dataset& known);

// Of `asked`, by what is known of `known`. Every rank gets the same: top1, top5, and what options ask for.
Scores classify_by_neighbours(FeatureSet known, FeatureSet asked, const KnnOptions& options,
                              sharding::Communicator& communicator);

class KnnScorer final : public Scorer {
 public:
  // `images`: of the set that is evaluated, which has the known one's lanes.
  KnnScorer(FeatureSet known, std::int64_t images, const models::FeatureChoice& choice,
            const KnnOptions& options);

  void add(const models::Model& model, const at::Tensor& images,
           const datasets::EvaluationBatch& batch) override;
  Scores finish(sharding::Communicator& communicator) override;

 private:
  FeatureSet known_;
  FeatureCollector asked_;
  KnnOptions options_;
};

}  // namespace vitrail::trainer
