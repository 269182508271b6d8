// One lane's share of one step: b samples, each seen in every view of the plan, normalised and mixed, ready
// for the model.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/damage.hpp"
#include "datasets/pixel_buffer.hpp"

namespace vitrail::datasets {

struct LaneBatch {
  std::int64_t lane = 0;
  std::int64_t images_count = 0;             // b
  std::vector<PixelBuffer> views;            // by view: [b, 3, S, S], S its own
  std::vector<std::int64_t> labels;          // [b]
  std::vector<std::int64_t> partner_labels;  // [b]; equal to labels without mixing
  std::vector<double> weights;               // [b]; target = weight * label + (1 - weight) * partner
  std::vector<std::uint64_t> sample_ids;  // [b]; position in the data set, of what took a damaged one's place
  DamageLedger damaged;                   // samples met that could not be used
};

}  // namespace vitrail::datasets
