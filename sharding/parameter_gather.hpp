// After the update every rank has new values for its own lane slices: gathers the others' into the flat
// buckets. Throws: PeerFailure.
#pragma once

#include <vector>

#include "sharding/bucket_plan.hpp"
#include "sharding/communicator.hpp"

namespace vitrail::sharding {

// A whole bucket in the type that the model computes with.
struct BucketData {
  std::byte* data = nullptr;
  DataType type = DataType::f32;
};

class ParameterGather {
 public:
  ParameterGather(const BucketPlan& plan, Communicator& communicator);

  // `buckets[b]` is bucket b, padding included; this rank's slices are already in place.
  void gather(const std::vector<BucketData>& buckets);

 private:
  Communicator& communicator_;
  std::vector<std::vector<Segment>> segments_;  // [bucket][rank]
};

}  // namespace vitrail::sharding
