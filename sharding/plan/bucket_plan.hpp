// Where every parameter lies in the flat buckets, and which part of it each lane owns. A pure value: it
// depends on the parameters, the number of lanes and the bucket size, never on ranks. Units: elements, not
// bytes. Padding is zero and is never saved. Throws: Error(refused) for an empty parameter list or an empty
// parameter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sharding/plan/lanes.hpp"

namespace vitrail::sharding {

struct ParameterShape {
  std::string name;
  std::int64_t elements = 0;
  bool matrix = true;  // false: 1-D parameters, positions, tokens; they share the first bucket
  bool head = false;   // computed once an image, not for every token
};

struct Bucket {
  std::vector<std::size_t> parameters;  // in the order of their positions
  std::int64_t slice = 0;               // elements per lane; lane l owns [l * slice, (l + 1) * slice)
  bool matrices = true;                 // false: the bucket of what no run keeps in half precision
};

struct Location {
  std::size_t bucket = 0;
  std::int64_t begin = 0;  // in the bucket; a multiple of kAlignment
};

// The part of one parameter that one lane owns.
struct Piece {
  std::size_t parameter = 0;
  std::size_t bucket = 0;
  std::int64_t lane = 0;
  std::int64_t in_parameter = 0;  // first element, counted in the parameter
  std::int64_t in_bucket = 0;     // first element, counted in the bucket
  std::int64_t elements = 0;
};

// A parameter starts at a multiple of this many elements: 64 bytes in the narrowest compute type.
constexpr std::int64_t kAlignment = 32;

struct BucketPlan {
  std::int64_t lanes = 1;
  std::vector<ParameterShape> parameters;  // as given
  std::vector<Bucket> buckets;
  std::vector<Location> locations;  // by parameter
  std::vector<Piece> pieces;  // in the order of buckets, then of position: lane order within a parameter

  std::int64_t padded_elements() const;     // over all buckets
  std::int64_t parameter_elements() const;  // without padding
};

// The bucket of non-matrices first, then matrices in reverse registration order, a new bucket when
// `bucket_elements` would be exceeded (a larger matrix has a bucket of its own).
BucketPlan make_bucket_plan(std::vector<ParameterShape> parameters, std::int64_t lanes,
                            std::int64_t bucket_elements);

// As backward completes the buckets: it comes to the matrices as they lie; the first bucket, of vectors, is
// used in every layer. And as a forward pass needs them, the other way round: matrices up to so many
// together.
std::vector<std::size_t> backward_order(const BucketPlan& plan);
std::vector<std::vector<std::size_t>> forward_order(const BucketPlan& plan, std::size_t together);

}  // namespace vitrail::sharding
