// How long a step waits for exchanges that run beside its computation, and for the slowest of its ranks: pure
// functions of seconds.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::launcher {

// The exchange of one bucket, in the order in which they are posted: one after another.
struct Exchange {
  double seconds = 0;
  double share = 0;  // of the pass's computation that belongs to the bucket's parameters
};

// Beyond the end of a backward pass of `backward` seconds: a bucket's exchange begins when backward has
// computed it and those before it.
double exposed_after_backward(double backward, const std::vector<Exchange>& exchanges);

// Added to a forward pass of `forward` seconds: the computation that belongs to a bucket begins when that
// bucket has come.
double exposed_in_forward(double forward, const std::vector<Exchange>& exchanges);

// Mean of the largest of `count` draws from a normal law of mean 0 and deviation 1.
double largest_of_normals(std::int64_t count);

// The time between checkpoints that loses least, sqrt(2 C M): `cost` is what a checkpoint takes from the run,
// `failure` the mean time between failures. Source: Young 1974, Daly 2006.
double best_interval(double cost, double failure);

}  // namespace vitrail::launcher
