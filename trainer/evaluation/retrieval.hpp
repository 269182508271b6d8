// How well images find those of their class: every known image is ranked by its cosine, of equal ones the
// lower number first, and the mean over asked images of their average precision is the score (mAP). With
// coarse classes also under the condition of what is known of them (Touvron et al. 2021): ranked by cosine
// + log(p / (1 - p)), where p is the asked image's probability of the candidate's coarse class, by the votes
// of its neighbours, or as an oracle knows it. Exact at any number of ranks. Throws: PeerFailure.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/evaluation/features.hpp"
#include "trainer/tasks/scores.hpp"

namespace vitrail::trainer {

struct RetrievalOptions {
  std::int64_t classes = 1;
  std::vector<std::int64_t> coarse_of = {};  // by class; empty: none
  std::int64_t neighbours = 20;              // whose votes are the probabilities
  double temperature = 0.07;                 // of them
};

// Both sets of length 1. Percent: map; with coarse classes map_conditional and map_oracle. Asked images of
// whose class none is known do not count.
std::vector<Score> retrieval_scores(const FeatureSet& known, const FeatureSet& asked,
                                    const RetrievalOptions& options, sharding::Communicator& communicator);

}  // namespace vitrail::trainer
