#include "sharding/parameter_gather.hpp"

namespace vitrail::sharding {

ParameterGather::ParameterGather(const BucketPlan& plan, Communicator& communicator)
    : communicator_(communicator) {
  for (const Bucket& bucket : plan.buckets) {
    auto& segments = segments_.emplace_back();
    for (int rank = 0; rank < communicator.size(); ++rank) {
      const LaneRange lanes = lanes_of_rank(plan.lanes, communicator.size(), rank);
      segments.push_back({lanes.begin * bucket.slice, lanes.count() * bucket.slice});
    }
  }
}

void ParameterGather::gather(const std::vector<BucketData>& buckets) {
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    communicator_.all_gather(buckets[b].data, segments_[b], buckets[b].type);
  }
}

}  // namespace vitrail::sharding
