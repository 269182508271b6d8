// After the update every rank has new values for its own lane slices: gathers the others' into the flat
// buckets. Throws: PeerFailure.
#pragma once

#include <vector>

#include "sharding/bucket_plan.hpp"
#include "sharding/communicator.hpp"

namespace vitrail::sharding {

class ParameterGather {
 public:
  ParameterGather(const BucketPlan& plan, Communicator& communicator);

  // `buckets[b]` is bucket b in the compute type, padding included; this rank's slices are already in place.
  void gather(const std::vector<std::byte*>& buckets, DataType type);

 private:
  Communicator& communicator_;
  std::vector<std::vector<Segment>> segments_;  // [bucket][rank]
};

}  // namespace vitrail::sharding
