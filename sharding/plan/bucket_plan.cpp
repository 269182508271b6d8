#include "sharding/plan/bucket_plan.hpp"

#include <algorithm>
#include <utility>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Puts `parameter` at the end of the last bucket; `filled` is that bucket's length so far.
void append(BucketPlan& plan, std::size_t parameter, std::int64_t& filled) {
  plan.buckets.back().parameters.push_back(parameter);
  plan.locations[parameter] = {plan.buckets.size() - 1, filled};
  filled += round_up(plan.parameters[parameter].elements, kAlignment);
}

void close(BucketPlan& plan, std::int64_t filled) {
  plan.buckets.back().slice = round_up((filled + plan.lanes - 1) / plan.lanes, kAlignment);
}

// Cuts each parameter of a bucket where one lane's slice ends and the next begins.
void cut_into_pieces(BucketPlan& plan, std::size_t bucket) {
  const std::int64_t slice = plan.buckets[bucket].slice;
  for (const std::size_t parameter : plan.buckets[bucket].parameters) {
    const std::int64_t begin = plan.locations[parameter].begin;
    const std::int64_t end = begin + plan.parameters[parameter].elements;
    for (std::int64_t at = begin; at < end;) {
      const std::int64_t lane = at / slice;
      const std::int64_t stop = std::min(end, (lane + 1) * slice);
      plan.pieces.push_back({parameter, bucket, lane, at - begin, at, stop - at});
      at = stop;
    }
  }
}

}  // namespace

std::int64_t BucketPlan::padded_elements() const {
  std::int64_t n = 0;
  for (const Bucket& bucket : buckets) n += bucket.slice * lanes;
  return n;
}

std::int64_t BucketPlan::parameter_elements() const {
  std::int64_t n = 0;
  for (const ParameterShape& parameter : parameters) n += parameter.elements;
  return n;
}

BucketPlan make_bucket_plan(std::vector<ParameterShape> parameters, std::int64_t lanes,
                            std::int64_t bucket_elements) {
  lanes_of_rank(lanes, 1, 0);  // refuses a lane count that is no power of two
  BucketPlan plan;
  plan.lanes = lanes;
  plan.parameters = std::move(parameters);
  plan.locations.resize(plan.parameters.size());
  if (plan.parameters.empty()) throw Error(ExitCode::refused, "a model without parameters cannot be sharded");
  for (const ParameterShape& parameter : plan.parameters) {
    if (parameter.elements < 1)
      throw Error(ExitCode::refused, fmt::format("parameter {} is empty", parameter.name));
  }

  std::int64_t filled = 0;
  const auto open_bucket = [&](bool matrices) {
    if (!plan.buckets.empty()) close(plan, filled);
    plan.buckets.push_back({.parameters = {}, .matrices = matrices});
    filled = 0;
  };
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    if (plan.parameters[i].matrix) continue;
    if (plan.buckets.empty()) open_bucket(false);
    append(plan, i, filled);
  }
  bool in_matrices = false;
  for (std::size_t i = plan.parameters.size(); i-- > 0;) {
    if (!plan.parameters[i].matrix) continue;
    if (!in_matrices || (filled > 0 && filled + plan.parameters[i].elements > bucket_elements))
      open_bucket(true);
    in_matrices = true;
    append(plan, i, filled);
  }
  close(plan, filled);
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) cut_into_pieces(plan, b);
  return plan;
}

std::vector<std::size_t> backward_order(const BucketPlan& plan) {
  std::vector<std::size_t> order;
  for (std::size_t b = 1; b < plan.buckets.size(); ++b) order.push_back(b);
  order.push_back(0);
  return order;
}

std::vector<std::vector<std::size_t>> forward_order(const BucketPlan& plan, std::size_t together) {
  std::vector<std::vector<std::size_t>> order = {{0}};
  for (std::size_t b = plan.buckets.size(); b-- > 1;) {
    if (order.size() == 1 || order.back().size() == together) order.emplace_back();
    order.back().push_back(b);
  }
  return order;
}

}  // namespace vitrail::sharding
